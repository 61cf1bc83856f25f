"""Case 25 and its kind: labels for faces that are cut out already, in whatever form they lie."""

import csv
import json

import cv2
import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mien.api.evaluating import evaluate as measure
from mien.cli.predict import predict
from mien.datasets.synthetic import draw_faces
from mien.errors import MienError
from mien.inference.recognizer import Recognizer
from mien.inference.whole_photos import look_for_whole_photos

FACES = draw_faces(6, size=48, seed=4).images

app = typer.Typer()
app.command()(predict)


def run(*arguments, code=0):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    if isinstance(result.exception, MienError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def pixel_rows() -> list[str]:
    return [" ".join(map(str, face.ravel())) for face in FACES]


def write_table(root, head, rows):
    (root / "test.csv").write_text("\n".join([head, *rows]) + "\n")
    return root / "test.csv"


def write_folder(root):
    (root / "crops").mkdir()
    for number, face in enumerate(FACES):
        Image.fromarray(face).save(root / "crops" / f"{number}.png")
    return root / "crops"


def write_npz(root):
    np.savez(root / "faces.npz", images=FACES)
    return root / "faces.npz"


def write_sorted_zip(root):
    import zipfile

    with zipfile.ZipFile(root / "faces.zip", "w") as archive:
        for number, face in enumerate(FACES):
            label = "happy" if number < 3 else "sad"
            archive.writestr(f"{label}/{number}.png", cv2.imencode(".png", face)[1].tobytes())
    return root / "faces.zip"


def write_npy(root):
    np.save(root / "X.npy", FACES)
    return root / "X.npy"


def write_list(root, folder="", before=""):
    place = root / folder
    place.mkdir(exist_ok=True)
    for number, face in enumerate(FACES):
        Image.fromarray(face).save(place / f"{number}.png")
    (root / "list.csv").write_text("image\n" + "".join(f"{before}{number}.png\n" for number in range(len(FACES))))
    return root / "list.csv"


def write_npy_folder(root):
    (root / "arrays").mkdir()
    np.save(root / "arrays" / "images.npy", FACES)
    return root / "arrays"


def write_parquet_folder(root):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (root / "table").mkdir()
    images = [cv2.imencode(".png", face)[1].tobytes() for face in FACES]
    labels = ["happy", "sad"] * (len(FACES) // 2)
    parquet.write_table(arrow.table({"image": images, "label": labels}), root / "table" / "train.parquet")
    return root / "table"


FORMS = {
    "a folder of arrays": write_npy_folder,
    "a folder of Parquet": write_parquet_folder,
    "a table of file names": write_list,
    "a table of file names in images": lambda root: write_list(root, "images"),
    "a table of another machine": lambda root: write_list(root, "images", "/content/drive/"),
    "one array": write_npy,
    "the challenge's test.csv": lambda root: write_table(root, "pixels", pixel_rows()),
    "a table with numbers and no labels": lambda root: write_table(
        root, "id,pixels", [f"face-{n},{row}" for n, row in enumerate(pixel_rows())]
    ),
    "a table with labels that nobody knows": lambda root: write_table(
        root, "emotion,pixels", [f"17,{row}" for row in pixel_rows()]
    ),
    "image files": write_folder,
    "arrays": write_npz,
    "a labelled zip": write_sorted_zip,
}


@pytest.mark.parametrize("name", FORMS)
def test_crops_of_any_form_get_the_labels_of_the_classifier(bundle, tmp_path, name):
    path = FORMS[name](tmp_path)
    found = [json.loads(line) for line in run("--crops", path, "--bundle", bundle.source, "--json").stdout.splitlines()]
    expected = Recognizer(bundle).recognize_crops(FACES)
    assert len(found) == len(expected)
    for result, face in zip(found, expected, strict=True):
        assert result["outcome"] == "ok"
        assert result["choices"] == {"crops": "framed as fer2013"}
        assert result["photo"].startswith(str(path))
        assert result["faces"][0]["probabilities"] == pytest.approx(
            {label.value: value for label, value in face.probabilities}
        )
        assert result["faces"][0]["box"] == {"x": 0, "y": 0, "width": 48, "height": 48}
    assert len({result["photo"] for result in found}) == len(found)


def test_the_labels_are_those_of_measuring(bundle, tmp_path):
    for number, face in enumerate(FACES):
        place = tmp_path / "set" / ("happy" if number < 3 else "sad")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).resize((60, 60)).save(place / f"{number}.png")
    measured = measure(bundle, tmp_path / "set", cache=None, labels="happiness,sadness")
    results = Recognizer(bundle, crops=True, labels="happiness,sadness").folder(tmp_path / "set", recursive=True)
    answers = [max(result.faces[0].probabilities, key=lambda pair: pair[1])[0].value for result in results]
    assert answers == [row["answer"] for row in measured.rows()]


def test_a_bad_row_is_listed_and_the_batch_goes_on_where_it_was_stopped(bundle, tmp_path, monkeypatch):
    path = write_table(tmp_path, "pixels", [*pixel_rows()[:4], "1 2 3", *pixel_rows()[4:]])
    arguments = ["--crops", path, "--bundle", bundle.source, "--csv", tmp_path / "out.csv"]
    run_until_third(monkeypatch, arguments)
    with pytest.raises(MienError, match="crops: True, now False"):
        run(path, *arguments[2:])
    assert "7 crops: 6 ok, 1 unreadable" in run(*arguments, code=3).stderr
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["photo"] for row in rows] == [f"{path}: row {number}" for number in range(1, 8)]
    assert "3 pixels do not make a square" in rows[4]["reason"]
    assert {row["crops"] for row in rows} == {"framed as fer2013"}


def run_until_third(monkeypatch, arguments):
    """Stop a batch of crops after three of them, as Ctrl-C does."""
    many = Recognizer.recognize_named_crops

    def stopped(self, crops, **keys):
        for number, result in enumerate(many(self, crops, batch=1)):
            if number == 3:
                raise KeyboardInterrupt
            yield result

    with monkeypatch.context() as patched:
        patched.setattr(Recognizer, "recognize_named_crops", stopped)
        run(*arguments, code=130)


def test_rows_of_one_name_are_all_there_after_an_interruption(bundle, tmp_path, monkeypatch):
    rows = [f"{'anna' if number < 4 else 'ben'},{row}" for number, row in enumerate(pixel_rows())]
    path = write_table(tmp_path, "id,pixels", rows)
    arguments = ["--crops", path, "--bundle", bundle.source, "--csv"]
    run(*arguments, tmp_path / "at-once.csv")
    run_until_third(monkeypatch, [*arguments, tmp_path / "in-two.csv"])
    run(*arguments, tmp_path / "in-two.csv")
    assert (tmp_path / "in-two.csv").read_bytes() == (tmp_path / "at-once.csv").read_bytes()
    assert len((tmp_path / "in-two.csv").read_text(encoding="utf-8").splitlines()) == 1 + len(FACES)


def test_a_data_set_that_changed_makes_another_batch(bundle, tmp_path, monkeypatch):
    path = write_npy_folder(tmp_path)
    arguments = ["--crops", path, "--bundle", bundle.source, "--csv", tmp_path / "out.csv"]
    run_until_third(monkeypatch, arguments)
    np.save(path / "images.npy", FACES[:5])
    with pytest.raises(MienError, match="unfinished batch of other settings or photos"):
        run(*arguments)


def test_tables_of_crops_are_not_given_to_a_cluster_as_image_files(bundle, tmp_path):
    with pytest.raises(MienError, match=r"faces\.npz is no image file.*Leave on"):
        run("--crops", write_npz(tmp_path), "--bundle", bundle.source, "--csv", tmp_path / "a.csv", "--on", "ray")


@pytest.mark.parametrize("option", [["--draw", "drawn"], ["--largest"]])
def test_what_has_no_meaning_for_crops_is_refused(bundle, tmp_path, option):
    result = run("--crops", write_npz(tmp_path), "--bundle", bundle.source, *option, code=2)
    assert "cut out already" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("faces.npz", None, "no array of images"),
        ("faces.csv", "a,b\n1,2\n", "faces.csv"),
        ("faces.xyz", "?", "not in a form that mien can read"),
        ("faces.npy", "?", "cannot be read as an array"),
        ("faces.csv", "image\n../../etc/a.png\n", "outside its folder"),
    ],
)
def test_what_holds_no_crops_is_refused_in_words(bundle, tmp_path, name, content, says):
    if content is None:
        np.savez(tmp_path / name, landmarks=np.zeros((3, 2)))
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(MienError, match=says):
        run("--crops", tmp_path / name, "--bundle", bundle.source)


def test_a_file_that_is_not_there_is_an_unreadable_result(bundle, tmp_path):
    assert "unreadable" in run("--crops", tmp_path / "no.png", "--bundle", bundle.source, code=3).stdout


def test_a_model_of_unknown_framing_takes_crops(bundle_maker, tmp_path):
    from mien.framing import CropRule

    unknown = bundle_maker(tmp_path / "b.mien", crop_rule=CropRule(framing=None))
    result = Recognizer(unknown, crops=True).recognize(FACES[0])
    assert result.choices == {"crops": "framed as the training faces"}
    assert result.outcome.value == "ok"


def whole(portrait, count=3):
    """Square photos in which a face is a small part, and the face cut out of them."""
    photo = cv2.imread(str(portrait), cv2.IMREAD_GRAYSCALE)
    x, y, width, height = (round(value) for value in Recognizer().recognize(portrait).faces[0].box)
    side = max(width, height)
    top, left = y + height // 2 - side // 2, x + width // 2 - side // 2
    crop = cv2.resize(photo[top : top + side, left : left + side], (160, 160))
    return [cv2.resize(photo, (320, 320))] * count, [crop] * count


def test_square_photos_are_told_from_crops(portrait):
    scenes, crops = whole(portrait)
    found = look_for_whole_photos(scenes)
    assert (found.images, found.whole) == (3, 3)
    assert "in 3 of 3 images" in found.warning
    assert look_for_whole_photos(crops).warning == ""
    small = look_for_whole_photos(FACES)
    assert (small.images, small.warning) == (0, "")
    assert look_for_whole_photos([*crops] * 20).images == 40


def test_square_photos_are_noticed_beside_the_figure_and_beside_the_labels(bundle, portrait, tmp_path):
    scenes, _ = whole(portrait, 2)
    for label in ("anger", "happiness"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number, scene in enumerate(scenes):
            (tmp_path / "set" / label / f"{number}.png").write_bytes(cv2.imencode(".png", scene + number)[1].tobytes())
    notes = measure(bundle, tmp_path / "set", cache=None).notes
    assert any(note.startswith("warning: in 4 of 4 images") and "--find-faces" in note for note in notes)
    stderr = run("--crops", tmp_path / "set" / "anger", "--bundle", bundle.source).stderr
    assert "warning: in 2 of 2 images" in stderr
