"""The static page in Chromium: it reads photos as the command line does, alone, without a network, by keyboard."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mien import Recognizer
from mien.bundle import Golden, load_bundle, write_bundle
from mien.cli.main import command_line
from mien.datasets.synthetic import draw_faces
from mien.errors import MienError
from mien.framing import CropRule
from mien.images import Image as ReadImage
from mien.images import read_image
from mien.inference.batch import write_csv
from mien.inference.detector import Box, Face, _Search
from mien.inference.recognizer import Prepared
from mien.inference.results import PhotoResult, describe
from mien.likeness import Likeness
from mien.web import runtime
from mien.web.page import write_page
from support.browser import Host, Visit, visiting

LARGEST_LOAD = 6_500_000
BOX_PX = 0.5
# Of probabilities: where both cut out the very same square, and where a coordinate was rounded to the next hundredth of
# a pixel (docs/page.md).
SAME, ROUNDED = 1e-4, 5e-3
RED = (1.3, 0, 0, 0, 0, 0.7, 0, 0, 0, 0, 0.7, 0)  # what each channel of a photo is made of
WRITTEN = ("name", "onnx", "label_set", "crop_rule", "temperature", "unsure", "card", "cam_weights")

DROP = """([name, type, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  document.querySelector('#drop').dispatchEvent(
    new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
PASTE = """([name, type, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type }));
  document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }));
}"""


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, portrait: Path) -> list[Path]:
    """The sample in the forms that photos have."""
    folder = tmp_path_factory.mktemp("photos")
    whole = Image.open(portrait).convert("RGB")
    made = []

    def save(name: str, image: Image.Image, **options: Any) -> None:
        image.save(folder / name, **options)
        made.append(folder / name)

    # How the pixels lie in the file, so that the tag sets them upright.
    lying = dict(zip(range(1, 9), (None, 0, 3, 1, 5, 2, 6, 4), strict=True))
    for orientation, method in lying.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        small = whole.resize((300, 320))
        stored = small if method is None else small.transpose(Image.Transpose(method))
        save(f"turned-{orientation}.jpg", stored, exif=exif, quality=92)
    save("gray.jpg", whole.convert("L"))
    save("progressive.jpg", whole, progressive=True, quality=80)
    save("lossless.png", whole.resize((384, 384)))
    save("palette.png", whole.quantize(128))
    transparent = whole.convert("RGBA")
    transparent.putalpha(Image.linear_gradient("L").resize(whole.size).point(lambda value: 255 - value // 2))
    save("transparent.png", transparent)
    save("modern.webp", whole, lossless=True)
    save("several.png", Image.fromarray(np.hstack([np.asarray(whole)] * 3)))
    for turned in (90, 180, 270):
        save(f"lying-{turned}.png", whole.rotate(turned, expand=True))
    save("large.png", whole.resize((1300, 1300)))
    save("reduced.jpg", whole.resize((3300, 3200)), quality=90)
    crowd = Image.new("RGB", (3301, 3201), (120, 130, 140))  # which no block divides
    crowd.paste(whole.resize((150, 150)), (600, 500))
    crowd.paste(whole.resize((700, 700)), (1600, 1500))
    save("reduced-small.jpg", crowd, quality=90)
    save("small.png", whole.crop((160, 20, 340, 200)).resize((90, 90)))
    save("nobody.png", Image.new("RGB", (200, 160), (90, 120, 200)))
    save("tiny.png", Image.new("RGB", (20, 30)))
    (folder / "cut-off.jpg").write_bytes(portrait.read_bytes()[: portrait.stat().st_size * 7 // 10])
    return [*made, folder / "cut-off.jpg"]


def test_the_page_gives_the_results_of_the_command_line(
    visit: Visit, recognizer: Recognizer, photos: list[Path]
) -> None:
    visit.give(*photos)
    received = {value["photo"]: PhotoResult.from_dict(value) for value in json.loads(visit.downloaded("#json"))}
    for photo in photos:
        expected, result = recognizer.recognize(photo), received[photo.name]
        assert (result.outcome, result.reason, len(result.faces)) == (
            expected.outcome,
            expected.reason,
            len(expected.faces),
        ), photo.name
        assert (result.width, result.height, result.model) == (expected.width, expected.height, expected.model)
        for face, other in zip(result.faces, expected.faces, strict=True):
            assert (face.outcome, face.label, len(face.mixture)) == (other.outcome, other.label, len(other.mixture))
            assert np.abs(np.subtract(face.face.box, other.face.box)).max() <= BOX_PX, photo.name
            assert [name for name, _ in face.probabilities] == [name for name, _ in other.probabilities]
            differences = [abs(a - b) for (_, a), (_, b) in zip(face.probabilities, other.probabilities, strict=True)]
            same = (face.face.box, face.face.landmarks) == (other.face.box, other.face.landmarks)
            assert max(differences, default=0) <= (SAME if same else ROUNDED), photo.name
            assert face.distance == pytest.approx(other.distance, rel=1e-9 if same else 0.05), photo.name
        turned = [note for note in expected.notes if note.startswith("turned by")]
        assert [note for note in result.notes if note.startswith("turned by")] == turned
        assert bool(turned) == photo.name.startswith("lying"), photo.name


@pytest.fixture(scope="module")
def reduced_jpegs(tmp_path_factory: pytest.TempPathFactory, portrait: Path) -> list[Path]:
    """JPEGs of the kinds that cameras and programs write, with sides that no block divides."""
    folder = tmp_path_factory.mktemp("jpegs")
    whole = Image.open(portrait).convert("RGB").resize((603, 451))
    options: dict[str, dict[str, Any]] = {f"colours-{kind}": {"subsampling": kind} for kind in range(3)}
    options["progressive"] = {"progressive": True}
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        options[f"turned-{orientation}"] = {"exif": exif}
    for name, keys in options.items():
        whole.save(folder / f"{name}.jpg", quality=90, **keys)
    whole.convert("L").save(folder / "gray.jpg")
    whole.convert("CMYK").save(folder / "cmyk.jpg")
    for orientation in range(1, 9):
        content = (folder / f"turned-{orientation}.jpg").read_bytes()
        (folder / f"cut-off-{orientation}.jpg").write_bytes(content[: len(content) * 8 // 10])
    return sorted(folder.iterdir())


@pytest.mark.parametrize("by", ["decoder", "averaging"])
def test_a_reduced_jpeg_has_the_pixels_of_the_command_line(visit: Visit, reduced_jpegs: list[Path], by: str) -> None:
    """To the last one where the browser's decoder reduces it, nearly where the page has to average all pixels."""
    script = """async ([text, by, leastPixels]) => {
      const { readPhoto } = await import('./engine/pixels.js');
      const decoder = globalThis.ImageDecoder;
      let asked = 0;
      globalThis.ImageDecoder = class extends decoder { constructor(...values) { super(...values); asked += 1; } };
      if (by === 'averaging') delete globalThis.ImageDecoder;
      const file = new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]);
      const { data, ...rest } = await readPhoto(file, 'a.jpg', leastPixels);
      globalThis.ImageDecoder = decoder;
      let letters = '';
      for (let at = 0; at < data.length; at += 4096) letters += String.fromCharCode(...data.subarray(at, at + 4096));
      return [rest, btoa(letters), asked];
    }"""
    for path in reduced_jpegs:
        for least, reduction in ((603 * 451 // 16 - 500, 4), (603 * 451 // 4 - 500, 2)):
            expected = read_image(path, least_pixels=least)
            assert expected.reduction == reduction
            text = base64.b64encode(path.read_bytes()).decode()
            read, letters, asked = visit.page.evaluate(script, [text, by, least])
            assert (asked > 0) == (by == "decoder")
            assert [read["photoWidth"], read["photoHeight"], read["reduction"]] == [*expected.photo_size, reduction], (
                path.name
            )
            pixels = np.frombuffer(base64.b64decode(letters), np.uint8).reshape(read["height"], read["width"], 4)
            colours = expected.pixels if expected.pixels.ndim == 3 else np.stack([expected.pixels] * 3, -1)
            if by == "decoder":
                assert np.array_equal(pixels[..., :3], colours), path.name
                assert read["notes"] == list(expected.notes), path.name
            else:  # its blocks begin at the upright picture's corner, the decoder's at the stored one's
                assert np.corrcoef(pixels[..., :3].ravel(), colours.ravel())[0, 1] > 0.98, path.name


def test_the_page_resizes_as_opencv_does(visit: Visit) -> None:
    """The sizes by which two rows share one of the picture, by which none does, whole blocks, and larger ones."""
    script = """async ([text, width, height, sizes]) => {
      const { resized } = await import('./engine/resize.js');
      const data = Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0));
      return sizes.map((size) => btoa(String.fromCharCode(...resized({ data, width, height }, ...size).data)));
    }"""
    pixels = np.random.default_rng(0).integers(0, 256, (96, 150, 4), np.uint8)
    pixels[..., 3] = 255
    sizes = [(97, 62), (149, 95), (150, 95), (48, 31), (50, 32), (75, 48), (7, 96), (1, 1), (160, 99), (149, 96)]
    text = base64.b64encode(pixels.tobytes()).decode()
    for size, letters in zip(sizes, visit.page.evaluate(script, [text, 150, 96, sizes]), strict=True):
        received = np.frombuffer(base64.b64decode(letters), np.uint8).reshape(*size[::-1], 4).astype(int)
        method = cv2.INTER_AREA if size < (150, 96) else cv2.INTER_LINEAR
        differences = np.abs(received - cv2.resize(pixels, size, interpolation=method))
        assert differences.max() <= 1, size
        assert differences.mean() <= (1e-3 if method == cv2.INTER_AREA else 3e-3), size
        assert (received[..., 3] == 255).all(), size


@pytest.mark.parametrize("reduction", [1, 2])
def test_the_page_looks_at_the_pictures_that_the_command_line_looks_at(visit: Visit, reduction: int) -> None:
    """The smallest is made of the photo, or of the next larger picture: noise tells which."""
    script = """async ([text, width, height, reduction]) => {
      const { Search } = await import('./engine/detector.js');
      const data = Uint8ClampedArray.from(atob(text), (letter) => letter.charCodeAt(0));
      const [photoWidth, photoHeight] = [width * reduction, height * reduction];
      const search = new Search(null, { data, width, height, reduction, photoWidth, photoHeight });
      return search.sizes.map((_, number) => {
        const { data, width, height } = search.picture(number);
        let letters = '';
        for (let at = 0; at < data.length; at += 4096) letters += String.fromCharCode(...data.subarray(at, at + 4096));
        return [width, height, btoa(letters)];
      });
    }"""
    pixels = np.random.default_rng(0).integers(0, 256, (1100, 1250, 4), np.uint8)
    pixels[..., 3] = 255
    photo = ReadImage(pixels[..., :3].copy(), "noise", (), reduction, (1250 * reduction, 1100 * reduction))
    expected = _Search(None, photo, 0.5)._pictures
    text = base64.b64encode(pixels.tobytes()).decode()
    received = visit.page.evaluate(script, [text, 1250, 1100, reduction])
    assert len(received) == len(expected) > 1
    for (width, height, letters), picture in zip(received, expected, strict=True):
        shown = np.frombuffer(base64.b64decode(letters), np.uint8).reshape(height, width, 4)[..., :3].astype(int)
        assert np.abs(shown - picture).max() <= 1


def test_a_photo_is_shown_as_it_is_or_smaller(visit: Visit, photos: list[Path]) -> None:
    script = """async () => Promise.all([...document.querySelectorAll('#results > li')].map(async (item) => {
      const image = item.querySelector('img');
      await image.decode();
      const context = new OffscreenCanvas(64, 64).getContext('2d');
      context.drawImage(image, 0, 0, 64, 64);
      const name = item.querySelector('h3').textContent;
      return [name, image.naturalWidth, image.naturalHeight, [...context.getImageData(0, 0, 64, 64).data]];
    }))"""
    given = {path.name: path for path in photos if path.stem in ("small", "lossless", "large", "reduced", "several")}
    visit.give(*given.values())
    shown = visit.page.evaluate(script)
    assert len(shown) == len(given) == 5
    for name, width, height, values in shown:
        photo = Image.open(given[name]).convert("RGB")
        assert width <= photo.width, name
        assert width * height <= 1130**2, name
        assert width / height == pytest.approx(photo.width / photo.height, abs=0.01), name
        colours = np.array(values).reshape(-1, 4).mean(axis=0)[:3]
        assert colours == pytest.approx(np.asarray(photo).mean(axis=(0, 1)), abs=3), name


def exif_block(tail: bytes) -> bytes:
    """A TIFF header and what follows it."""
    return b"MM\x00*\x00\x00\x00\x08" + tail


def unusual_photos(folder: Path, portrait: Path) -> list[Path]:
    """Photos whose headers say something that is to be noted."""
    small = Image.open(portrait).convert("RGB").resize((200, 210))
    turned = Image.Exif()
    turned[0x0112] = 6
    frames = [small.point(lambda value, n=number: value // 2 + n) for number in range(3)]
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00"
    options: dict[str, dict[str, Any]] = {
        "turned.jpg": {"exif": turned},
        "turned.png": {"exif": turned},
        "turned.webp": {"exif": turned},
        "no-tiff.jpg": {"exif": b"Exif\0\0no block of this kind"},
        "short.jpg": {"exif": b"Exif\0\0" + exif_block(b"\x00\x05" + entry)},
        "elsewhere.jpg": {
            "exif": b"Exif\0\0" + exif_block(b"\x00\x01\x01\x0e\x00\x02\x00\x00\x00\x09\x00\x00\x00\x40")
        },
        "large-tag.webp": {
            "exif": exif_block(b"\x00\x02\x01\x0e\x00\x02\x00\x01\x00\x00\x00\x00\x00\x40" + entry + bytes(4))
        },
    }
    for name, keys in options.items():
        small.save(folder / name, **keys)
    small.save(folder / "several.gif", save_all=True, append_images=frames)
    small.save(folder / "several.webp", save_all=True, append_images=frames, lossless=True)
    small.save(folder / "several.png", save_all=True, append_images=frames)
    small.save(folder / "several-and-one.png", save_all=True, append_images=frames, default_image=True)
    small.save(folder / "one.gif")
    deep = np.asarray(small.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    return sorted(folder.iterdir())


def test_what_is_noted_of_a_photo_is_noted_on_the_page(
    visit: Visit, photos: list[Path], portrait: Path, tmp_path: Path
) -> None:
    given = [*unusual_photos(tmp_path, portrait), *(photo for photo in photos if photo.stem in ("turned-8", "cut-off"))]
    visit.give(*given)
    received = {
        value["photo"]: [note for note in value["notes"] if not note.startswith("turned by")]
        for value in json.loads(visit.downloaded("#json"))
    }
    expected = {photo.name: [*read_image(photo).notes] for photo in given}
    for name, notes in expected.items():
        assert received[name] == notes, name
    assert {note for notes in expected.values() for note in notes} >= {
        *("EXIF rotation 6 applied", "EXIF data is damaged and was ignored", "frame 1 of 4"),
        "16 bits scaled to 8",
    }


def test_a_photo_is_dropped_or_pasted_and_its_label_read_out(visit: Visit, portrait: Path) -> None:
    content = ["portrait.jpg", "image/jpeg", base64.b64encode(portrait.read_bytes()).decode()]
    visit.page.evaluate(DROP, content)
    visit.wait_for(1)
    visit.page.evaluate(PASTE, content)
    visit.wait_for(2)
    faces = visit.page.locator("#results .face h4").all_inner_texts()
    assert faces == [faces[0]] * 2
    assert "happiness" in faces[0]
    said = visit.page.locator("#said[aria-live=polite]").inner_text()
    assert "portrait.jpg: 1 face. Face 1: happiness" in said


def test_of_a_folder_that_is_dropped_the_photos_are_read(visit: Visit, portrait: Path, tmp_path: Path) -> None:
    photos = ("a.jpg", "b.JPG", "deep/c.png", "notes.txt", ".hidden.jpg", "deep/more/d.txt")
    for name in photos:
        (tmp_path / "holiday" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(portrait, tmp_path / "holiday" / name)
    drop_path(visit, tmp_path / "holiday")
    visit.wait_for(3)
    expected = ["holiday/deep/c.png", "holiday/b.JPG", "holiday/a.jpg"]  # the last one is shown first
    assert visit.page.locator("#results h3").all_inner_texts() == expected
    assert "Reading 3 photos" in visit.page.locator("#said").inner_text()
    (tmp_path / "empty").mkdir()
    drop_path(visit, tmp_path / "empty")
    visit.page.locator("#said .error:has-text('no photos in what was dropped')").wait_for()


def drop_path(visit: Visit, path: Path) -> None:
    """Drop a file or folder of the disk, which no script of a page can."""
    session = visit.page.context.new_cdp_session(visit.page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 300, "y": 300, "data": data})
    session.detach()


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("{ size: 5, slice: () => ({ arrayBuffer: () => Promise.reject(new Error('gone')) }) }", "was moved, removed"),
        ("new Blob([Uint8Array.from([0, 0, 0, 24]), 'ftypheic', 'mif1'])", "a HEIC picture.*Safari.*save it as JPEG"),
        ("new Blob(['no picture at all'])", "not a picture that this browser can read"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_way_out(visit: Visit, file: str, says: str) -> None:
    reason = visit.page.evaluate(
        f"import('./engine/pixels.js').then(({{ readPhoto }}) => readPhoto({file}, 'a.jpg')).catch((e) => e.message)"
    )
    assert re.search(f"^a.jpg .*{says}", reason)


def test_everything_is_fetched_before_the_page_is_ready_and_nothing_after(
    visit: Visit, host: Host, portrait: Path
) -> None:
    assert "golden example, 4 faces, and answers in this browser as it did when it was made" in visit.status()
    before = len(host.asked)
    requests = len(visit.requests)
    visit.give(portrait)
    visit.page.click(".map")
    visit.page.locator(".map[aria-pressed=true]").wait_for()
    assert visit.downloaded(".drawing").startswith(b"\x89PNG")
    visit.page.locator("#card summary").press("Enter")
    # The browser itself looks whether the page's keeper of files is a newer one, a second after a worker has begun.
    assert [path for path in host.asked[before:] if path != "/sw.js"] == []
    # A blob is a piece of the browser's own memory.
    assert [url for url in visit.requests[requests:] if not url.startswith("blob:")] == []


def test_nothing_is_asked_of_another_host(visit: Visit, host: Host) -> None:
    assert visit.requests
    assert [url for url in visit.requests if not url.startswith((host.url, f"blob:{host.url}"))] == []


def test_the_page_works_without_its_server(browser: Any, page_folder: Path, portrait: Path) -> None:
    with Host(page_folder) as host, visiting(browser, host.url) as visit:
        assert "works without a network" in visit.status()
        host.stop()
        visit.page.reload()
        visit.page.locator("html[data-state=ready]").wait_for()
        visit.give(portrait)
        assert "happiness" in visit.page.locator(".face h4").inner_text()


def test_json_and_csv_are_those_of_the_command_line(visit: Visit, portrait: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted", name.jpg'
    shutil.copy(portrait, odd)
    visit.give(odd)
    result = PhotoResult.from_json(visit.downloaded("#json").decode())
    write_csv([result], tmp_path / "expected.csv")
    expected = list(csv.DictReader(io.StringIO((tmp_path / "expected.csv").read_text())))
    received = list(csv.DictReader(io.StringIO(visit.downloaded("#csv").decode())))
    assert [row.keys() for row in received] == [row.keys() for row in expected]
    for row, other in zip(received, expected, strict=True):
        for column, value in row.items():
            assert value == other[column] or float(value) == float(other[column]), column


def test_a_face_has_a_label_two_or_none_as_on_the_command_line(visit: Visit, recognizer: Recognizer) -> None:
    """The page's own functions, asked of numbers: faces whose outcomes lie close to one another."""
    labels = recognizer.bundle.label_set.expressions
    threshold = recognizer.unsure_threshold
    rows = [(0.5, 0.3, 0.2), (0.5, 0.25, 0.25), (0.5, 0.24, 0.26), (0.45, 0.29, 0.26), (0.3, 0.5, 0.2), (0.9, 0.1, 0.0)]
    rows += [(threshold, 0.4, 0.6 - threshold), (0.4, 0.35, 0.25), (0.2, 0.2, 0.6), (0.34, 0.33, 0.33)]
    whole = [[*row, *([0.0] * (len(labels) - 3))] for row in rows]
    script = """async ([rows, labels, threshold]) => {
      const { Recognizer } = await import('./engine/recognizer.js');
      const { describe } = await import('./engine/results.js');
      const reader = new Recognizer({ labels, unsure: { threshold } });
      const face = { id: 1, box: { x: 0, y: 0, width: 30, height: 30 }, landmarks: [], score: 1 };
      return rows.map((row) => {
        const said = reader.faceResult(face, row, null, true);
        return [said.outcome, said.label, said.mixture, describe(said), reader.outcomeOf([said], true)];
      });
    }"""
    received = visit.page.evaluate(script, [whole, [label.value for label in labels], threshold])
    face = Face(1, Box(0.0, 0.0, 30.0, 30.0), (), 1.0)
    prepared = Prepared("a.jpg", 30, 30, (), (face,), np.zeros((1, 48, 48), np.uint8), None)
    for row, (outcome, label, mixture, words, of_photo) in zip(whole, received, strict=True):
        result = recognizer.result(prepared, np.array([row]))
        expected = result.faces[0]
        assert (outcome, label, words) == (expected.outcome, expected.label, describe(expected))
        assert mixture == expected.to_dict()["mixture"]
        assert of_photo == [result.outcome, result.reason]
    assert {outcome for outcome, *_ in received} == {"ok", "mixed", "unsure"}


def test_the_map_marks_the_face_and_goes_away_again(visit: Visit, portrait: Path) -> None:
    visit.give(portrait)
    photo = visit.page.get_attribute("#results img", "src")
    visit.page.click(".map")
    visit.page.locator(".map[aria-pressed=true]").wait_for()
    assert visit.page.get_attribute("#results img", "src") != photo
    assert "happiness" not in visit.page.get_attribute("#results img", "alt")
    visit.page.locator(".which select").focus()
    visit.page.select_option(".which select", "fear")
    visit.page.locator("#results img[alt*=fear]").wait_for()
    visit.page.locator(".which select:focus").wait_for()  # the list keeps the focus while its map is made
    visit.page.click(".map")
    visit.page.locator(".map[aria-pressed=false]").wait_for()
    assert visit.page.get_attribute("#results img", "src") == photo


def test_the_page_is_used_by_keyboard_alone(visit: Visit, portrait: Path) -> None:
    page = visit.page

    def go_to(selector: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.locator(f"{selector}:focus").count():
                return
        pytest.fail(f"{selector} is not reached by Tab.")

    # Asked for before the way to the button: where the page is busy, a key overtakes the order to catch the chooser.
    with page.expect_file_chooser() as chooser:
        go_to("#choose")
        page.keyboard.press("Enter")
    chooser.value.set_files(portrait)
    visit.wait_for(1)
    go_to(".map")
    page.keyboard.press("Space")
    page.locator(".map[aria-pressed=true]:focus").wait_for()
    go_to(".drawing")
    with page.expect_download():
        page.keyboard.press("Enter")
    go_to("#card summary")
    was_open = page.locator("#card[open]").count()
    page.keyboard.press("Enter")
    assert page.locator("#card[open]").count() == 1 - was_open


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_no_barrier_and_nothing_is_cut_off(visit: Visit, portrait: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    visit.page.emulate_media(color_scheme=scheme)
    visit.page.set_viewport_size({"width": width, "height": 844})
    visit.give(portrait)
    visit.give({"name": "nothing.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
    visit.page.evaluate("document.querySelector('#card').open = true")
    found = axe.Axe().run(visit.page).response["violations"]
    assert [(entry["id"], [node["html"] for node in entry["nodes"]]) for entry in found] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_markup_in_a_file_name_is_text(visit: Visit) -> None:
    name = "<img src=x onerror=document.title='bad'>.jpg"
    visit.give({"name": name, "mimeType": "image/jpeg", "buffer": b"no picture"})
    assert visit.page.locator("#results h3").inner_text() == name
    assert visit.page.locator("#results img[src=x]").count() == 0
    assert "is not a picture" in visit.page.locator(".reason").inner_text()


def test_a_still_of_the_camera_is_read(visit: Visit) -> None:
    """Also one that is asked for before the camera has given its first picture."""
    visit.page.evaluate(
        """() => { navigator.mediaDevices.getUserMedia = async () => {
          const canvas = document.createElement('canvas');
          const context = canvas.getContext('2d');
          setTimeout(() => setInterval(() => context.fillRect(0, 0, 300, 150), 50), 500);
          return (window.used = canvas.captureStream(20)); }; }"""
    )
    visit.page.click("#camera")
    visit.page.click("#take")
    visit.wait_for(1)
    assert re.fullmatch(r"camera-\d+\.png", visit.page.locator("#results h3").inner_text())
    assert "No face" in visit.page.locator(".reason").inner_text()
    assert visit.page.evaluate("used.getTracks().every((track) => track.readyState === 'ended')")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("golden", "its golden example differs by"),
        ("byte", "its hash differs"),
        ("none", "could not be fetched (404)"),
        ("runtime", "its files could not be loaded"),
    ],
)
def test_a_model_that_is_not_as_it_was_made_is_not_used(
    browser: Any, page_folder: Path, tmp_path: Path, portrait: Path, change: str, says: str
) -> None:
    folder = tmp_path / "site"
    shutil.copytree(page_folder, folder)
    spoil(folder / "model" / "default.mien", change)
    with Host(folder) as host, visiting(browser, host.url) as visit:
        assert says in visit.status()
        visit.page.set_input_files("#files", str(portrait))
        visit.page.locator("#said .error").wait_for()
        assert visit.page.locator("#results > li").count() == 0


def test_a_model_of_colours_is_used_as_on_the_command_line(
    browser: Any, page_folder: Path, tmp_path: Path, portrait: Path, bundle_maker: Any
) -> None:
    rule = CropRule(size=32, channels="rgb")
    bundle = bundle_maker(tmp_path / "colour.mien", crop_rule=rule)
    folder = tmp_path / "site"
    write_page(folder, tmp_path / "colour.mien")
    whole = Image.open(portrait).convert("RGB")
    photos = {"colour.png": whole, "red.png": whole.convert("RGB", RED)}
    photos["gray.png"] = whole.convert("L")
    for name, photo in photos.items():
        photo.save(tmp_path / name)
    recognizer = Recognizer(bundle)
    with Host(folder) as host, visiting(browser, host.url) as visit:
        visit.give(*(tmp_path / name for name in photos))
        received = {value["photo"]: PhotoResult.from_dict(value) for value in json.loads(visit.downloaded("#json"))}
        assert visit.errors == []
    answers = []
    for name in photos:
        expected, result = recognizer.recognize(tmp_path / name), received[name]
        assert result.notes == expected.notes
        for face, other in zip(result.faces, expected.faces, strict=True):
            assert dict(face.probabilities) == pytest.approx(dict(other.probabilities), abs=ROUNDED)
            answers.append(list(dict(face.probabilities).values()))
    assert received["gray.png"].notes == ("gray, and the model learned from colours",)
    assert np.abs(np.subtract(answers[0], answers[1])).max() > 2 * ROUNDED  # colours count


def test_a_face_unlike_those_of_the_model_is_said_to_be_so(
    browser: Any, page_folder: Path, tmp_path: Path, portrait: Path, bundle_maker: Any
) -> None:
    """Of a model of colours: the distance is taken in gray, and the page rounds gray as the command line does."""
    faces = draw_faces(120, size=32, seed=1).images
    rule, likeness = CropRule(size=32, channels="rgb"), Likeness.of(faces[:90], faces[90:])
    model = bundle_maker(tmp_path / "other.mien", crop_rule=rule, likeness=likeness)
    whole = Image.open(portrait).convert("RGB")
    whole.save(tmp_path / "usual.png")
    whole.resize((150, 150)).resize((512, 512), Image.Resampling.NEAREST).save(tmp_path / "coarse.png")
    write_page(tmp_path / "site", Path(model.source))
    recognizer = Recognizer(model)
    with Host(tmp_path / "site") as host, visiting(browser, host.url) as visit:
        visit.give(tmp_path / "usual.png", tmp_path / "coarse.png")
        received = {value["photo"]: PhotoResult.from_dict(value) for value in json.loads(visit.downloaded("#json"))}
        for name, result in received.items():
            (face,), (expected,) = result.faces, recognizer.recognize(tmp_path / name).faces
            assert face.distance == pytest.approx(expected.distance, rel=0.02), name
        items = visit.page.locator("#results > li")
        for number in range(2):
            name = items.nth(number).locator("h3").inner_text()
            assert items.nth(number).locator(".doubt").is_visible() == bool(received[name].faces[0].unlike), name
        assert visit.errors == []
    assert any(result.faces[0].unlike for result in received.values())


def spoil(file: Path, change: str) -> None:
    """Change a bundle: its golden answers (so that all hashes are right), one byte, or all of it; or the runtime."""
    if change == "golden":
        bundle = load_bundle(file)
        parts = {name: getattr(bundle, name) for name in WRITTEN}
        answers = Golden(bundle.golden.crops, bundle.golden.probabilities[:, ::-1])
        write_bundle(file, **parts, golden=answers)
    elif change == "byte":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        (file if change == "none" else file.parents[1] / "vendor" / "ort.wasm.bundle.min.mjs").unlink()


def test_the_first_load_is_small(page_folder: Path) -> None:
    sizes = write_page(page_folder)
    assert sum(sizes.values()) <= LARGEST_LOAD
    on_disk = {path.relative_to(page_folder).as_posix() for path in page_folder.rglob("*") if path.is_file()}
    assert on_disk == set(sizes)


def test_a_model_of_unknown_framing_is_refused(page_folder: Path, tmp_path: Path, bundle_maker: Any) -> None:
    bundle_maker(tmp_path / "tiny.mien", crop_rule=CropRule(framing=None))
    with pytest.raises(MienError, match="framing is unknown"):
        write_page(tmp_path / "page", tmp_path / "tiny.mien")


def test_a_folder_with_other_things_is_left_alone(page_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(MienError, match="holds other things than a page"):
        write_page(tmp_path)
    shutil.copytree(page_folder, tmp_path / "page")
    (tmp_path / "page" / "CNAME").write_text("mine")
    write_page(tmp_path / "page")
    assert (tmp_path / "page" / "CNAME").read_text() == "mine"


def test_the_command_says_how_much_a_visit_loads(page_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command_line(["page"])(["page", "--output", str(page_folder)], standalone_mode=False)
    assert re.search(r"A first visit loads [56]\.\d MB", capsys.readouterr().out)


def test_without_the_runtime_one_sentence_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "vendor_folder", lambda: tmp_path)
    with pytest.raises(MienError, match="python -m mien.web.runtime"):
        write_page(tmp_path / "page")
    assert not (tmp_path / "page").exists()
