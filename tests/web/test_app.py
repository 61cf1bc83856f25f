"""What the service answers, and that it answers as the command line does."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import zipfile

import httpx
import numpy as np
import pytest
from PIL import Image as pillow

from mien.bundle import load_bundle
from mien.inference.detector import MODEL_SHA256
from mien.inference.recognizer import Recognizer
from mien.randomness import generator
from mien.web.notice import Deployer, notice
from mien.web.schema import ConfigShape, FacesShape, ModelShape, ReportsShape
from support.web import JPEG, ask


@pytest.fixture(scope="module")
def plain() -> bytes:
    """A photo without a face."""
    file = io.BytesIO()
    pillow.new("RGB", (200, 160), (90, 120, 200)).save(file, "PNG")
    return file.getvalue()


def form(*files: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("photo", file) for file in files]


def test_a_photo_has_the_result_that_the_command_line_gives_it(post, recognizer, portrait):
    answer = post("/v1/faces", content=portrait.read_bytes(), headers=JPEG)
    assert answer.status_code == 200
    (photo,) = answer.json()["photos"]
    expected = json.loads(recognizer.recognize(portrait).to_json()) | {"photo": "photo"}
    assert photo == expected


def test_several_photos_are_answered_in_their_order(post, portrait, plain):
    files = form(("a.jpg", portrait.read_bytes()), ("b.png", plain), ("c.txt", b"no picture"))
    photos = post("/v1/faces", files=files).json()["photos"]
    assert [(photo["photo"], photo["outcome"]) for photo in photos] == [
        ("a.jpg", "ok"),
        ("b.png", "no_face"),
        ("c.txt", "unreadable"),
    ]
    assert photos[2]["reason"].startswith("c.txt is not a picture")


def test_options_are_those_of_predict(post, recognizer, portrait):
    answer = post("/v1/faces?labels=six&unsure=1", content=portrait.read_bytes(), headers=JPEG)
    expected = recognizer.with_options(labels="six", unsure=1).recognize(portrait)
    assert answer.json()["photos"][0]["faces"] == json.loads(expected.to_json())["faces"]
    assert answer.json()["photos"][0]["outcome"] == "unsure"


@pytest.mark.parametrize("path", ["/v1/explain", "/v1/explain?label=fear&face=1&method=occlusion", "/v1/drawing"])
def test_a_picture_is_a_png_of_the_photo(post, portrait, path):
    answer = post(path, content=portrait.read_bytes(), headers=JPEG)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    picture = pillow.open(io.BytesIO(answer.content))
    assert picture.size == (768, 768)  # 512 pixels, enlarged to be looked at
    assert np.asarray(picture).std() > 10


@pytest.mark.parametrize(
    ("path", "shape"), [("/v1/config", ConfigShape), ("/v1/model", ModelShape), ("/v1/reports", ReportsShape)]
)
def test_an_answer_has_the_shape_that_is_documented(get, path, shape):
    shape.model_validate(get(path).json())


def test_photos_have_the_shape_that_is_documented(post, portrait, plain):
    files = form(("a.jpg", portrait.read_bytes()), ("b.png", plain), ("c.txt", b""))
    FacesShape.model_validate(post("/v1/faces", files=files).json())


@pytest.mark.parametrize("path", ["/", "/health", "/v1/config", "/v2/health/ready"])
def test_whoever_asks_for_the_head_gets_that_of_the_whole_answer(app, path):
    head, whole = ask(app, "HEAD", path), ask(app, "GET", path)
    assert (head.status_code, head.content, whole.status_code) == (200, b"", 200)
    assert head.headers.get("content-type") == whole.headers.get("content-type")
    assert ask(app, "HEAD", "/v1/faces").status_code == 405


def test_every_route_is_described(get):
    described = get("/openapi.json").json()["paths"]
    assert {"/v1/faces", "/v1/explain", "/v1/drawing", "/v1/model", "/v1/notice", "/v2/models/{name}/infer"} <= set(
        described
    )
    assert set(described["/v1/faces"]["post"]["requestBody"]["content"]) >= {"image/*", "multipart/form-data"}
    assert {"200", "413", "415", "422", "429"} <= set(described["/v1/faces"]["post"]["responses"])


REFUSED = [
    ("POST", "/v1/faces", {"content": b"x"}, 415, "media_type"),
    ("POST", "/v1/faces", {"content": b"x", "headers": {"Content-Type": "text/html"}}, 415, "media_type"),
    ("POST", "/v1/faces", {"content": bytes(200_001), "headers": JPEG}, 413, "too_large"),
    ("POST", "/v1/faces", {"files": form(*[("a", b"x")] * 5)}, 413, "too_many"),
    ("POST", "/v1/faces", {"files": form(("a", bytes(300_000)))}, 413, "too_large"),
    ("POST", "/v1/faces", {"data": {"labels": "six"}, "files": form(("a", b"x"))}, 422, "invalid"),
    ("POST", "/v1/faces", {"headers": {"Content-Type": "multipart/form-data; boundary=b"}, "content": b"?"}, 400, None),
    ("POST", "/v1/faces", {"headers": {"Content-Type": "multipart/form-data"}, "content": b"?"}, 400, "bad_request"),
    ("POST", "/v1/faces?unsure=2", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/faces?unsure=nan", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/faces?labels=nine", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/faces?labels=eight", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/faces?label=six", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/faces?unsure=0&unsure=1", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/drawing?prior=uniform", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/explain?labels=six", {"content": b"x", "headers": JPEG}, 422, "invalid"),
    ("POST", "/v1/explain", {"content": b"x", "headers": JPEG}, 422, "unreadable"),
    ("POST", "/v1/explain?method=guess", {"content": b"x", "headers": JPEG}, 422, None),
    ("POST", "/v1/explain", {"files": form(("a", b"x"), ("b", b"x"))}, 413, "too_many"),
    ("POST", "/v1/drawing", {"content": b"x", "headers": JPEG}, 422, "unreadable"),
    ("GET", "/v1/notice?name=" + "n" * 201, {}, 422, "invalid"),
    ("GET", "/v1/faces", {}, 405, "method"),
    ("GET", "/v1/nothing", {}, 404, "not_found"),
    ("GET", "/../../etc/passwd", {}, 404, "not_found"),
    ("GET", "/v1/config", {"headers": {"Origin": "http://elsewhere.example"}}, 403, "cross_origin"),
    ("POST", "/v1/faces", {"content": b"x", "headers": {**JPEG, "Origin": "null"}}, 403, "cross_origin"),
]


@pytest.mark.parametrize(("method", "path", "options", "status", "code"), REFUSED)
def test_a_refusal_has_a_status_a_code_and_a_sentence(app, method, path, options, status, code):
    answer = ask(app, method, path, **options)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert code in (None, error["code"])
    assert error["message"].endswith((".", "s.", "?"))


def test_a_photo_without_a_face_cannot_be_explained_but_drawn(post, plain):
    answer = post("/v1/explain", content=plain, headers={"Content-Type": "image/png"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    assert "no face" in answer.json()["error"]["message"].lower()
    assert post("/v1/drawing", content=plain, headers={"Content-Type": "image/png"}).status_code == 200


def test_every_answer_says_what_a_browser_may_do_with_it(get, post):
    for answer in (get("/"), get("/v1/config"), get("/v1/nothing"), post("/v1/faces", content=b"x"), get("/notice")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "script-src 'self' 'wasm-unsafe-eval'" in get("/").headers["content-security-policy"]


def test_a_browser_asks_at_every_load_whether_the_page_has_changed(get):
    answer = get("/")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    again = get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_no_page_of_another_site_is_let_in_under_its_own_name(app_maker):
    app = app_maker(hosts=("localhost", "127.0.0.1", "::1"))
    for host, status in (
        ("localhost", 200),
        ("127.0.0.1:99", 200),
        ("[::1]:99", 200),
        ("evil.example", 421),
        ("", 421),
    ):
        assert ask(app, "GET", "/v1/config", headers={"Host": host}).status_code == status


@pytest.fixture(scope="module")
def closed(app_maker):
    return app_maker(token="swordfish")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/faces"),
        ("POST", "/v1/explain"),
        ("POST", "/v1/drawing"),
        ("POST", "/v1/session"),
        ("GET", "/v1/model"),
        ("GET", "/v1/reports"),
        ("GET", "/v1/anything"),
        ("GET", "/reports/a/report.html"),
        ("GET", "/metrics"),
        ("GET", "/v2"),
        ("GET", "/v2/models/tiny"),
        ("POST", "/v2/models/tiny/infer"),
    ],
)
def test_without_the_token_nothing_is_answered_but_what_is_open_to_all(closed, method, path):
    for sent in (
        {},
        {"Authorization": "Bearer sword"},
        {"Authorization": "Basic swordfish"},
        {"Cookie": "mien_session="},
    ):
        answer = ask(closed, method, path, headers=sent)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert ask(closed, method, path, headers={"Authorization": "Bearer swordfish"}).status_code != 401


@pytest.mark.parametrize("path", ["/", "/health", "/v1/config", "/v1/notice", "/notice", "/v2/health/ready"])
def test_what_is_open_to_all_needs_no_token(closed, path):
    assert ask(closed, "GET", path).status_code == 200


def test_a_browser_may_have_a_cookie_in_place_of_the_token(closed):
    given = ask(closed, "POST", "/v1/session", headers={"Authorization": "Bearer swordfish"})
    assert given.status_code == 204
    cookie = given.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert "swordfish" not in cookie
    assert ask(closed, "GET", "/v1/model", headers={"Cookie": cookie.partition(";")[0]}).status_code == 200


def test_the_model_is_shown_with_its_card_and_its_golden_example(get, bundle):
    told = get("/v1/model").json()
    assert told["identity"] == bundle.identity
    assert told["card"] == dict(bundle.card)
    assert told["golden"]["difference"] <= told["golden"]["tolerance"]
    assert told["golden"]["count"] == len(bundle.golden.crops)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_page_gets_the_very_models_that_the_server_uses(app_maker, bundle_maker, tmp_path, recognizer, kind):
    bundle = bundle_maker(tmp_path / ("other.mien" if kind == "file" else "other"), seed=3)
    app = app_maker(Recognizer(bundle, detector=recognizer.detector, threads=1))
    answer = ask(app, "GET", "/model/default.mien")
    (tmp_path / "got.mien").write_bytes(answer.content)
    assert load_bundle(tmp_path / "got.mien").fingerprint == bundle.fingerprint
    assert not any(entry.compress_type for entry in zipfile.ZipFile(tmp_path / "got.mien").infolist())
    detector = ask(app, "GET", "/model/yunet.onnx").content
    assert hashlib.sha256(detector).hexdigest() == MODEL_SHA256
    again = ask(app, "GET", "/model/default.mien", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_notice_says_what_it_must(get, bundle):
    told = get("/v1/notice", params={"name": "<b>We</b>", "purpose": "a game", "contact": "we@example.org"}).json()
    assert told == notice(bundle, Deployer("<b>We</b>", "a game", "we@example.org"))
    page = get("/notice", params={"name": "<b>We</b>"}).text
    assert "&lt;b&gt;We&lt;/b&gt;" in page
    assert "<b>" not in page
    for words in (
        "Article 5(1)(f)",
        "Article 50(3)",
        "not say what someone feels",
        "[purpose]",
        *bundle.label_set.expressions,
    ):
        assert words in page


def test_metrics_count_without_naming(post, get, portrait):
    post("/v1/faces", files=form(("secret-name.jpg", portrait.read_bytes())))
    get("/secret-path")
    text = get("/metrics").text
    assert 'mien_photos_total{outcome="ok"}' in text
    assert 'mien_requests_total{route="/v1/faces",status="200"}' in text
    assert "process_resident_memory_bytes" in text
    assert "mien_waiting_photos 0.0" in text
    assert "mien_held_bytes 0.0" in text
    assert "secret" not in text


def test_the_log_names_no_file_and_holds_nothing_that_was_sent(app, post, portrait, caplog, monkeypatch):
    with caplog.at_level(logging.DEBUG, logger="mien.web"):
        post("/v1/faces", files=form(("secret-name.jpg", portrait.read_bytes())))
        post("/v1/faces?labels=secret", files=form(("secret-name.jpg", b"secret")))
        ask(app, "GET", "/secret?secret=secret")
        monkeypatch.setattr(app.state.mien.service, "recognize", _broken)
        answer = post("/v1/faces", files=form(("secret-name.jpg", b"secret")))
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in answer.text
    assert "POST /v1/faces 200" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "_broken" in caplog.text  # where it was
    assert "secret-name" not in caplog.text
    assert "secret?" not in caplog.text


async def _broken(*_arguments: object, **_options: object) -> None:
    name = "-".join(("secret", "name"))
    raise RuntimeError(f"{name}.jpg is broken")


@pytest.fixture
def stores(tmp_path):
    """A folder of two stores with a report, one without, and a secret beside them."""
    for name, title in (("one", "First &amp; last"), ("Zwei & drei", "Second")):
        folder = tmp_path / "stores" / name / "report"
        (folder / "figures").mkdir(parents=True)
        (folder / "report.html").write_text(f"<html><title>{title}</title><script>1</script>", encoding="utf-8")
        (folder / "figures" / "a.svg").write_text("<svg/>", encoding="utf-8")
        (folder / "private.key").write_text("secret", encoding="utf-8")
    (tmp_path / "stores" / "empty").mkdir()
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (tmp_path / "stores" / "one" / "report" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "elsewhere" / "report").mkdir(parents=True)
    (tmp_path / "elsewhere" / "report" / "report.html").write_text("secret", encoding="utf-8")
    (tmp_path / "stores" / "linked").symlink_to(tmp_path / "elsewhere")
    return tmp_path / "stores"


def test_reports_are_listed_and_served_in_a_sandbox(app_maker, stores):
    app = app_maker(stores=[stores])
    listed = ask(app, "GET", "/v1/reports").json()["reports"]
    assert [(report["title"], report["url"]) for report in listed] == [
        ("Second", "reports/Zwei-drei/report.html"),
        ("First & last", "reports/one/report.html"),
    ]
    for report in listed:
        page = ask(app, "GET", f"/{report['url']}")
        assert page.status_code == 200
        assert page.headers["content-security-policy"].startswith("sandbox")
        assert "allow-scripts" not in page.headers["content-security-policy"]
        figure = ask(app, "GET", f"/{report['url'].replace('report.html', 'figures/a.svg')}")
        assert figure.status_code == 200
        assert figure.headers["content-security-policy"].startswith("sandbox")
    assert ask(app, "GET", "/v1/config").json()["reports"] is True


@pytest.mark.parametrize(
    "path",
    [
        "one/private.key",
        "one/link.txt",
        "one/nothing.html",
        "one/../../secret.txt",
        "one/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "one/..%2f..%2f..%2fsecret.txt",
        "one/%2fetc%2fhosts.txt",
        "one/report.html%00.txt",
        "one/figures",
        "linked/report.html",
        "../stores/one/report.html",
        "empty/report.html",
        "unknown/report.html",
    ],
)
def test_nothing_but_the_files_of_a_report_is_served(app_maker, stores, path):
    answer = ask(
        app_maker(stores=[stores]),
        "GET",
        httpx.URL("http://localhost:8420").copy_with(raw_path=f"/reports/{path}".encode()),
    )
    assert answer.status_code == 404
    assert "secret" not in answer.text


def crops_request(crops: np.ndarray, **changed: object) -> dict:
    given = {
        "name": "faces",
        "datatype": "UINT8",
        "shape": list(crops.shape),
        "data": crops.ravel().tolist(),
        **changed,
    }
    return {"id": "7", "inputs": [given]}


@pytest.fixture(scope="module")
def crops():
    return generator(0, "crops").integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)


def test_the_open_inference_protocol_gives_what_the_recognizer_gives_for_crops(get, post, recognizer, crops):
    told = get("/v2/models/tiny").json()
    assert told["inputs"] == [{"name": "faces", "datatype": "UINT8", "shape": [-1, 48, 48, 1]}]
    assert get("/v2/models/tiny/ready").json()["ready"]
    expected = recognizer.recognize_crops(crops)
    for data in (crops.ravel().tolist(), crops.tolist()):
        answer = post("/v2/models/tiny/infer", json=crops_request(crops, data=data)).json()
        assert (answer["id"], answer["model_name"], answer["model_version"]) == (
            "7",
            "tiny",
            recognizer.bundle.fingerprint,
        )
        probabilities, labels = answer["outputs"]
        assert probabilities["shape"] == [3, 7]
        assert probabilities["data"] == [value for face in expected for _, value in face.probabilities]
        assert labels["data"] == [face.label for face in expected]
    asked = crops_request(crops) | {"outputs": [{"name": "labels"}]}
    assert [o["name"] for o in post("/v2/models/tiny/infer", json=asked).json()["outputs"]] == ["labels"]


@pytest.mark.parametrize(
    "changed",
    [
        {"datatype": "FP32"},
        {"name": "images"},
        {"shape": [3, 48, 48, 3]},
        {"shape": [4, 48, 48, 1]},
        {"shape": [-3, 48, 48, 1]},
        {"shape": [3, 2304]},
        {"shape": [10**9, 10**9, 10**9]},
        {"shape": [3, 48, 48.0, 1]},
        {"shape": None},
        {"data": [256] * 6912},
        {"data": [0.5] * 6912},
        {"data": ["a"]},
        {"data": [[1], [1, 2]]},
        {"data": [10**400]},
        {"data": None},
        {"data": []},
    ],
)
def test_the_open_inference_protocol_refuses_what_is_no_faces(post, crops, changed):
    answer = post("/v2/models/tiny/infer", json=crops_request(crops, **changed))
    assert answer.status_code == 422
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"inputs": []}', b'{"inputs": [1]}', b"[" * 20_000, b"\xff"])
def test_the_open_inference_protocol_refuses_what_is_no_request(post, content):
    answer = post("/v2/models/tiny/infer", content=content)
    assert answer.status_code == 422
    assert isinstance(answer.json()["error"], str)


def test_too_many_crops_and_an_unknown_model_are_refused(post, get):
    many = np.zeros((9, 4, 4), dtype=np.uint8)
    assert post("/v2/models/tiny/infer", json=crops_request(many)).status_code == 422
    assert get("/v2/models/other").status_code == 404


def test_scripts_are_scripts_whatever_the_machine_calls_them(app_maker, tmp_path, monkeypatch):
    monkeypatch.setattr("starlette.responses.guess_type", lambda _: ("text/plain", None))
    for name in ("app.js", "ort.mjs", "style.css", "index.html", "icon.svg"):
        (tmp_path / name).write_text("", encoding="utf-8")
    app = app_maker(static=tmp_path)
    kinds = {name: ask(app, "GET", f"/{name}").headers["Content-Type"] for name in ("app.js", "ort.mjs", "style.css")}
    assert kinds == {
        "app.js": "text/javascript; charset=utf-8",
        "ort.mjs": "text/javascript; charset=utf-8",
        "style.css": "text/css; charset=utf-8",
    }
    assert ask(app, "GET", "/").headers["Content-Type"] == "text/html; charset=utf-8"
    assert ask(app, "GET", "/icon.svg").headers["Content-Type"] == "image/svg+xml"
