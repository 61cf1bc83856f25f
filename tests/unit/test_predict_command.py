import csv
import json
from pathlib import Path

import pytest
import typer
from PIL import Image as pillow
from typer.testing import CliRunner

from mien.cli.explain import explain
from mien.cli.predict import predict
from mien.errors import BundleError, DataError, MienError
from mien.inference.batch import Journal, drawing_paths, find_photos
from mien.inference.detector import Detector
from mien.inference.recognizer import Recognizer
from mien.inference.results import CSV_COLUMNS, PhotoResult

app = typer.Typer()
app.command()(predict)
app.command()(explain)


@pytest.fixture
def run(bundle):
    """Run a command with the tiny bundle; an error that the program's entry would print is raised."""

    def run(*arguments, command="predict", code=0, own_bundle=False):
        tiny = [] if own_bundle else ["--bundle", bundle.source]
        result = CliRunner().invoke(app, [command, *map(str, arguments), *tiny])
        if isinstance(result.exception, MienError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_json_is_a_line_per_photo_and_the_exit_code_tells_of_unreadable_ones(run, photo_folder):
    result = run(photo_folder, "--json", code=3)
    photos = [PhotoResult.from_json(line) for line in result.stdout.splitlines()]
    assert [photo.photo for photo in photos] == [str(photo_folder / name) for name in ("a.jpg", "b.png", "c.jpg")]
    assert [photo.outcome.value for photo in photos] == ["ok", "no_face", "unreadable"]
    assert "3 photos: 1 ok, 1 no_face, 1 unreadable" in result.stderr


def test_an_address_reaches_its_photos_from_the_command_line(run, photo_folder):
    pytest.importorskip("fsspec")
    photos = [PhotoResult.from_json(line) for line in run(photo_folder.as_uri(), "--json", code=3).stdout.splitlines()]
    assert [photo.photo for photo in photos] == [
        f"{photo_folder.as_uri()}/{name}" for name in ("a.jpg", "b.png", "c.jpg")
    ]
    assert [photo.outcome.value for photo in photos] == ["ok", "no_face", "unreadable"]


def test_results_never_take_the_place_of_a_photo(run, photo_folder):
    photo = photo_folder / "a.jpg"
    before = photo.read_bytes()
    # As `--csv *.jpg` comes from a shell.
    with pytest.raises(DataError, match=r"called as photos are.*a\.jpg\.csv"):
        run("--csv", photo, photo_folder / "b.png")
    assert photo.read_bytes() == before


def test_a_map_never_takes_the_place_of_the_photo(run, portrait, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(portrait.read_bytes())
    with pytest.raises(MienError, match="the photo itself.*Name another file"):
        run("a.png", "--output", tmp_path / "a.png", command="explain")
    assert (tmp_path / "a.png").read_bytes() == portrait.read_bytes()
    run("a.png", "--output", tmp_path / "b.png", command="explain")
    run("a.png", "--output", tmp_path / "b.png", command="explain")


def test_a_folder_that_is_drawn_into_is_said_not_to_be_searched(run, photo_folder):
    with pytest.raises(MienError, match="The drawings go to .*Name another folder"):
        run(photo_folder, "--draw", photo_folder)


def test_the_sample_photo_has_one_face(run):
    result = run("--sample", "--json")
    assert len(json.loads(result.stdout)["faces"]) == 1
    assert result.stderr == ""


def test_without_options_there_is_a_table(run, photo_folder):
    text = run(photo_folder, code=3).stdout
    assert "a.jpg" in text
    assert "no_face" in text
    assert "unreadable" in text


def test_folders_are_searched_deeply_only_when_asked(run, photo_folder):
    result = run(photo_folder, "--recursive", "--json", code=3)
    names = [json.loads(line)["photo"] for line in result.stdout.splitlines()]
    assert names[-1] == str(photo_folder / "sub" / "d.jpg")


def test_a_csv_has_a_row_per_face_and_nothing_else_is_left(run, photo_folder, tmp_path):
    table = tmp_path / "out" / "faces.csv"
    assert run(photo_folder, "--recursive", "--csv", table, code=3).stdout == ""
    rows = rows_of(table)
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [row["outcome"] for row in rows] == ["ok", "no_face", "unreadable", "ok"]
    assert [entry.name for entry in table.parent.iterdir()] == ["faces.csv"]


def test_groups_of_labels_have_columns_of_their_own(run, photo_folder, tmp_path):
    table = tmp_path / "faces.csv"
    labels = "neutral,positive=happiness+surprise,negative=anger+sadness"
    run(photo_folder, "--recursive", "--labels", labels, "--csv", table, code=3)
    rows = rows_of(table)
    assert tuple(rows[0]) == (*CSV_COLUMNS, "negative", "positive")
    faces = [row for row in rows if row["face"]]
    assert faces
    for row in faces:
        assert sum(float(row[name]) for name in ("neutral", "negative", "positive")) == pytest.approx(1)


def test_drawings_keep_the_folders_and_leave_the_photos_alone(run, photo_folder, tmp_path):
    before = {path: path.read_bytes() for path in photo_folder.rglob("*.*")}
    run(photo_folder, "--recursive", "--draw", tmp_path / "drawn", code=3)
    drawn = sorted(path.relative_to(tmp_path / "drawn").as_posix() for path in (tmp_path / "drawn").rglob("*.*"))
    assert drawn == ["a.jpg.faces.jpg", "sub/d.jpg.faces.jpg"]
    assert {path: path.read_bytes() for path in photo_folder.rglob("*.*")} == before


def test_drawings_within_the_searched_folder_are_not_taken_for_photos(run, photo_folder):
    for _ in range(2):
        run(photo_folder, "--recursive", "--draw", photo_folder / "drawn", code=3)
    assert len(list((photo_folder / "drawn").rglob("*.jpg"))) == 2


def test_a_photo_that_two_paths_name_has_rows_for_each_and_it_is_said(run, photo_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(photo_folder)
    result = run(
        "a.jpg", photo_folder / "a.jpg", Path("sub/../a.jpg"), "b.png", "b.png", "--csv", tmp_path / "faces.csv"
    )
    assert [row["photo"] for row in rows_of(tmp_path / "faces.csv")] == [
        "a.jpg",
        str(photo_folder / "a.jpg"),
        "sub/../a.jpg",
        "b.png",
    ]
    assert "note: 1 photo is named by several paths: it is read, and has rows, for each of them." in result.stderr
    assert "note" not in run("a.jpg", "b.png", "--csv", tmp_path / "faces.csv").stderr


@pytest.fixture
def interrupt(run, monkeypatch):
    """Run a batch that is interrupted after two photos."""

    def interrupt(*arguments):
        many = Recognizer.recognize_many

        def interrupted(self, photos):
            for number, result in enumerate(many(self, photos)):
                if number == 2:
                    raise KeyboardInterrupt
                yield result

        with monkeypatch.context() as patch:
            patch.setattr(Recognizer, "recognize_many", interrupted)
            return run(*arguments, code=130)

    return interrupt


@pytest.mark.parametrize("torn", [b"", b'{"schema": 1, "photo": "half'])
def test_an_interrupted_batch_goes_on_where_it_was(run, interrupt, photo_folder, tmp_path, monkeypatch, torn):
    table = tmp_path / "faces.csv"
    many = Recognizer.recognize_many
    asked = []

    def watched(self, photos):
        asked.extend(path.name for path in photos)
        return many(self, photos)

    result = interrupt(photo_folder, "--recursive", "--csv", table)
    assert "same command" in result.stderr
    assert not table.exists()
    with (tmp_path / "faces.csv.part").open("ab") as journal:
        journal.write(torn)
    monkeypatch.setattr(Recognizer, "recognize_many", watched)
    run(photo_folder, "--recursive", "--csv", table, code=3)
    assert asked == ["c.jpg", "d.jpg"]
    resumed = table.read_bytes()
    table.unlink()
    run(photo_folder, "--recursive", "--csv", table, code=3)
    assert resumed == table.read_bytes()


@pytest.fixture
def other_detector(tmp_path):
    """A copy of the detector's file that is another one by its bytes alone."""
    path = tmp_path / "detector.onnx"
    # A field that no reader knows (number 15, a varint) at the end of the message.
    path.write_bytes(Detector().model + b"\x78\x01")
    return path


@pytest.mark.parametrize(
    "changed",
    ["--max-megapixels=20", "--labels=six", "--unsure=0.9", "--draw=drawn", "--detector", "--bundle"],
)
def test_a_batch_of_other_settings_is_not_gone_on_with(
    run, interrupt, photo_folder, tmp_path, other_detector, bundle_maker, changed
):
    table = tmp_path / "faces.csv"
    interrupt(photo_folder, "--csv", table)
    before = (tmp_path / "faces.csv.part").read_bytes()
    others = {
        "--detector": lambda: ("--detector", other_detector),
        "--draw=drawn": lambda: ("--draw", tmp_path / "drawn"),
        "--bundle": lambda: ("--bundle", bundle_maker(tmp_path / "other.mien", seed=1).source),
    }
    extra = others[changed]() if changed in others else changed.split("=")
    name = {"--bundle": "model", "--max-megapixels=20": "max_megapixels: 200.0, now 20.0"}
    with pytest.raises(MienError, match="unfinished batch") as error:
        run(photo_folder, "--csv", table, *extra, own_bundle=changed == "--bundle")
    assert name.get(changed, changed.strip("-").partition("=")[0]) in str(error.value)
    assert (tmp_path / "faces.csv.part").read_bytes() == before


@pytest.mark.parametrize("change", ["another folder", "one more", "one less", "one changed"])
def test_a_batch_of_other_photos_is_not_gone_on_with(run, interrupt, photo_folder, tmp_path, change):
    table = tmp_path / "faces.csv"
    interrupt(photo_folder, "--csv", table)
    folder = photo_folder
    match change:
        case "another folder":
            folder = photo_folder / "sub"
        case "one more":
            (photo_folder / "z.jpg").write_bytes((photo_folder / "a.jpg").read_bytes())
        case "one less":
            (photo_folder / "c.jpg").unlink()
        case "one changed":
            (photo_folder / "a.jpg").write_bytes((photo_folder / "b.png").read_bytes())
    with pytest.raises(MienError, match="unfinished batch of other settings or photos .photos: count 3"):
        run(folder, "--csv", table)


def test_two_processes_do_not_write_one_table(run, photo_folder, tmp_path):
    table = tmp_path / "faces.csv"
    with Journal(tmp_path / "faces.csv.part", {}, []), pytest.raises(MienError, match="Another process"):
        run(photo_folder, "--csv", table)
    (tmp_path / "faces.csv.part").unlink()
    run(photo_folder, "--csv", table, code=3)
    assert len(rows_of(table)) == 3


def test_a_journal_that_was_finished_while_it_was_opened_is_begun_anew(tmp_path, monkeypatch):
    path = tmp_path / "faces.csv.part"
    first = Journal(path, {"is": "first"}, [])
    opened = Path.open

    def finished_meanwhile(self, *arguments):
        file = opened(self, *arguments)
        monkeypatch.setattr(Path, "open", opened)
        first.delete()
        return file

    monkeypatch.setattr(Path, "open", finished_meanwhile)
    with Journal(path, {"is": "second"}, []):
        assert b"second" in path.read_bytes()


def test_a_damaged_journal_is_one_sentence(run, interrupt, photo_folder, tmp_path):
    interrupt(photo_folder, "--csv", tmp_path / "faces.csv")
    with (tmp_path / "faces.csv.part").open("ab") as journal:
        journal.write(b'{"photo": "c.jpg"}\n')
    with pytest.raises(MienError, match="is damaged. Delete it"):
        run(photo_folder, "--csv", tmp_path / "faces.csv")


def test_the_largest_face_alone_is_kept_when_asked_for(run, portrait, tmp_path):
    photo = pillow.open(portrait)
    sheet = pillow.new("RGB", (900, 512))
    sheet.paste(photo.resize((300, 300)), (0, 0))
    sheet.paste(photo, (388, 0))
    sheet.save(tmp_path / "two.png")
    all_faces = PhotoResult.from_json(run(tmp_path / "two.png", "--json").stdout)
    (largest,) = PhotoResult.from_json(run(tmp_path / "two.png", "--json", "--largest").stdout).faces
    assert all_faces.area_ranks == (2, 1)
    assert (largest.face.id, largest.face.box) == (1, all_faces.faces[1].face.box)
    run(tmp_path / "two.png", "--csv", tmp_path / "faces.csv")
    assert [row["area_rank"] for row in rows_of(tmp_path / "faces.csv")] == ["2", "1"]


def test_a_provider_that_is_missing_is_one_sentence(run, portrait):
    with pytest.raises(MienError, match="no provider 'abacus'. Available: .*cpu"):
        run(portrait, "--provider", "abacus")


def test_labels_and_unsure_are_passed_on(run):
    face = json.loads(run("--sample", "--json", "--labels", "six", "--unsure", 1).stdout)["faces"][0]
    assert "disgust" not in face["probabilities"]
    assert face["outcome"] == "unsure"


def test_a_missing_photo_is_unreadable_and_stops_nothing(run, portrait, tmp_path):
    result = run(tmp_path / "none.jpg", portrait, "--json", code=3)
    assert [json.loads(line)["outcome"] for line in result.stdout.splitlines()] == ["unreadable", "ok"]


def test_a_photo_over_the_limit_is_unreadable(run, portrait):
    assert "megapixels" in json.loads(run(portrait, "--json", "--max-megapixels", 0.1, code=3).stdout)["reason"]


def test_wrong_usage_is_exit_code_2(run, portrait):
    assert "--sample" in run(code=2).output
    run(portrait, "--unsure", 3, code=2)


def test_what_cannot_be_done_is_one_sentence(run, portrait, tmp_path, bundle):
    with pytest.raises(MienError, match="no photos"):
        run(tmp_path)
    with pytest.raises(DataError, match="contempt"):
        run(portrait, "--labels", "eight")
    with pytest.raises(MienError, match="no face detector"):
        run(portrait, "--detector", tmp_path / "none.onnx")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(MienError, match="cannot be written"):
        run(portrait, "--csv", tmp_path / "file" / "faces.csv")


def test_photos_of_folders_are_found_in_order_each_once_without_hidden_files(tmp_path):
    for name in ("b.JPG", "a.png", "._a.png", "notes.txt", "deep/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_photos([tmp_path, tmp_path / "a.png"], recursive=True)
    assert [photo.name.as_posix() for photo in found] == ["a.png", "b.JPG", "deep/c.webp"]


@pytest.mark.parametrize("columns", [20, 40, 59, 200])
def test_the_name_of_a_photo_is_there_at_any_width(run, photo_folder, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = "".join(run(photo_folder, code=3).stdout.split())
    assert "a.jpg" in text
    assert "b.png" in text


def test_drawings_of_photos_with_names_as_long_as_can_be_have_room_for_their_ending(run, portrait, tmp_path):
    photo = tmp_path / ("é" * 120 + ".jpg")  # 244 bytes
    photo.write_bytes(portrait.read_bytes())
    run(photo, "--draw", tmp_path / "drawn", "--csv", tmp_path / "faces.csv")
    assert len(list((tmp_path / "drawn").glob("é*.faces.jpg"))) == 1


def test_drawings_of_photos_with_one_name_do_not_overwrite_each_other(tmp_path):
    # On macOS and Windows A.jpg is a.jpg, and the two ways to write an é are one.
    photos = find_photos([tmp_path / name for name in ("1/a.jpg", "2/a.jpg", "3/A.jpg", "1/é.jpg", "2/e\u0301.jpg")])
    names = [path.name for path in drawing_paths(photos, tmp_path).values()]
    assert names == [
        *("a.jpg.faces.jpg", "a.jpg.2.faces.jpg", "A.jpg.3.faces.jpg"),
        *("é.jpg.faces.jpg", "e\u0301.jpg.2.faces.jpg"),
    ]


def test_explain_writes_a_picture_and_says_how_true_the_map_is(run, portrait, tmp_path):
    out = tmp_path / "why.png"
    text = run(portrait, "--output", out, "--label", "fear", command="explain").stdout
    assert "face 1: fear" in text
    assert "random order" in text
    with pillow.open(out) as picture:
        assert picture.size == (768, 768)


def test_explain_refuses_what_it_cannot_explain(run, portrait, photo_folder):
    with pytest.raises(DataError, match="face 2"):
        run(portrait, "--face", 2, command="explain")
    with pytest.raises(DataError, match="no face to explain"):
        run(photo_folder / "b.png", command="explain")
    with pytest.raises(BundleError, match="Occlusion"):
        run(portrait, "--method", "cam", command="explain")
    with pytest.raises(MienError, match="not a picture"):
        run(photo_folder / "c.jpg", command="explain")
    with pytest.raises(DataError, match="cam or occlusion"):
        run(portrait, "--method", "guess", command="explain")
