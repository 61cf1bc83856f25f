"""Case 7 and its kind: a model of another form, given or asked for, is answered with what makes a bundle of it."""

import pytest
from typer.testing import CliRunner

import mien
from mien.bundle import load_bundle
from mien.cli.main import command_line
from mien.errors import BundleError, MienError

FORMS = ("onnx", "tflite", "keras", "h5", "pt", "safetensors")


@pytest.mark.parametrize("form", FORMS)
def test_a_bare_model_is_named_as_what_it_is(tmp_path, form):
    path = tmp_path / f"model.{form.upper()}"
    path.write_bytes(b"anything")
    with pytest.raises(BundleError, match=r"alone: it does not say which labels.*mien wrap") as raised:
        load_bundle(path)
    assert (f"mien wrap {path}" in str(raised.value)) == (form == "onnx")


@pytest.mark.parametrize(
    "words", [("predict", "--sample", "--bundle", "MODEL"), ("evaluate", "MODEL", "drawn:count=20")]
)
def test_commands_that_take_a_bundle_say_it(tmp_path, words):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3")
    result = CliRunner().invoke(command_line(), [str(path) if word == "MODEL" else word for word in words])
    assert isinstance(result.exception, MienError), result.output
    assert "a LiteRT model alone" in str(result.exception)


@pytest.mark.parametrize("form", FORMS)
def test_no_bundle_is_written_under_the_name_of_another_form(tmp_path, bundle, form):
    output = tmp_path / f"model.{form}"
    if form not in ("onnx", "keras", "tflite"):
        with pytest.raises(BundleError, match=r"model\.mien, or a folder, such as model, in which model\.onnx"):
            mien.export(tmp_path / "runs", output)  # before anything is read or computed
    with pytest.raises(BundleError, match="and mien writes bundles"):
        mien.bundle.write_bundle(
            output,
            name="model",
            onnx=bundle.onnx,
            label_set=bundle.label_set,
            crop_rule=bundle.crop_rule,
            temperature=1.0,
            unsure=None,
            card={},
            golden=bundle.golden,
        )
    assert not output.exists()
