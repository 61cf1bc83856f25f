"""A said prior: Bayes' rule, what it may be, where it is kept, and that a batch of another one is not gone on with."""

import csv
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from mien.api.evaluating import evaluate
from mien.bundle import shipped_bundles
from mien.cli.predict import predict
from mien.errors import BundleError, DataError, MienError
from mien.inference.recognizer import Recognizer
from mien.inference.results import PhotoResult
from mien.labels import SEVEN, SIX, LabelSet
from mien.prior import adjust_prior, read_prior, training_prior
from mien.randomness import generator

COUNTS = {"anger": 400, "disgust": 40, "fear": 400, "happiness": 700, "sadness": 480, "surprise": 300, "neutral": 480}
CROPS = generator(0, "crops").integers(0, 256, (20, 48, 48), dtype=np.uint8)

app = typer.Typer()
app.command()(predict)


@pytest.fixture(scope="module")
def counted(bundle_maker, tmp_path_factory):
    """A bundle whose card says how many training images it had."""

    def make(**card):
        path = tmp_path_factory.mktemp("counted") / "counted.mien"
        return bundle_maker(path, card={"images": {"train": COUNTS}, **card})

    return make


def rows(found) -> np.ndarray:
    return np.array([[value for _, value in face.probabilities] for face in found])


def test_adjusting_the_prior_by_hand():
    adjusted = adjust_prior(np.array([[0.8, 0.2]]), np.array([0.8, 0.2]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(adjusted, [[0.5, 0.5]])


def test_adjusting_to_the_same_prior_changes_nothing_and_back_again_restores():
    rng = generator(0, "prior")
    given, train, target = rng.dirichlet(np.ones(7), 50), rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(7))
    np.testing.assert_allclose(adjust_prior(given, train, train), given)
    there = adjust_prior(given, train, target)
    np.testing.assert_allclose(there.sum(axis=1), 1)
    np.testing.assert_allclose(adjust_prior(there, target, train), given)


def test_a_row_without_mass_under_the_target_prior_becomes_that_prior():
    adjusted = adjust_prior(np.array([[1.0, 0.0, 0.0]]), np.full(3, 1 / 3), np.array([0.0, 0.25, 0.75]))
    np.testing.assert_allclose(adjusted, [[0.0, 0.25, 0.75]])


@pytest.mark.parametrize("prior", [[0.5, 0.6], [1.0], [1.0, 0.0]])
def test_an_impossible_training_prior_is_refused(prior):
    with pytest.raises(DataError, match="training prior"):
        adjust_prior(np.array([[0.8, 0.2]]), np.array(prior), np.array([0.5, 0.5]))


def test_uniform_is_bayes_rule_with_the_counts_of_the_card(counted):
    bundle = counted()
    own = rows(Recognizer(bundle).recognize_crops(CROPS))
    shares = np.array([COUNTS[label] for label in SEVEN.expressions], dtype=float)
    expected = own / shares
    found = rows(Recognizer(bundle, prior="uniform").recognize_crops(CROPS))
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(rows(Recognizer(bundle, prior="training").recognize_crops(CROPS)), own)


def test_what_the_export_took_out_of_the_prior_is_not_taken_out_again(counted):
    shares = np.array([COUNTS[label] for label in SEVEN.expressions], dtype=float) ** 0.75
    np.testing.assert_allclose(training_prior(counted(adjusted_for_prior=0.25), SEVEN), shares / shares.sum())
    np.testing.assert_allclose(training_prior(counted(adjusted_for_prior=1.0), SEVEN), np.full(7, 1 / 7))


def test_a_file_that_says_the_training_shares_changes_nothing(counted, tmp_path):
    bundle = counted()
    (tmp_path / "shares.json").write_text(json.dumps({name.upper(): count for name, count in COUNTS.items()}))
    (tmp_path / "shares.csv").write_text("label,share\n" + "".join(f"{n}, {c}\n" for n, c in COUNTS.items()))
    own = rows(Recognizer(bundle).recognize_crops(CROPS))
    for name in ("shares.json", "shares.csv"):
        found = Recognizer(bundle, prior=tmp_path / name)
        np.testing.assert_allclose(rows(found.recognize_crops(CROPS)), own)
        assert found.settings()["prior"] != "training"


def test_of_fewer_labels_and_of_groups_each_class_is_as_common_as_said(counted, tmp_path):
    bundle = counted()
    text = "neutral,good=happiness+surprise,bad=anger+fear+sadness+disgust"
    own = rows(Recognizer(bundle, labels=text).recognize_crops(CROPS))
    groups = training_prior(bundle, LabelSet.parse(text))
    np.testing.assert_allclose(groups, np.array([480, 1320, 1000]) / 2800)
    found = rows(Recognizer(bundle, labels=text, prior="uniform").recognize_crops(CROPS))
    expected = own / groups
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True))
    (tmp_path / "shares.json").write_text(json.dumps(COUNTS))
    np.testing.assert_allclose(
        rows(Recognizer(bundle, labels=text, prior=tmp_path / "shares.json").recognize_crops(CROPS)), own
    )
    assert len(training_prior(bundle, SIX)) == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("anger,0.5\n", "no share to disgust"),
        ("{}", "names no class"),
        ("", "names no class"),
        ("anger,many\n", "anger = 'many'"),
        ("anger,-1\n", "anger = '-1'"),
        ("anger,nan\n", "share from 0 on"),
        ("anger 0.5\n", "not a class and its share"),
        ("anger,1\nanger,2\n", "once"),
        ('{"anger": [1]}', "share from 0 on"),
        ('{"anger": ', "cannot be read"),
        ("".join(f"{n},1\n" for n in [*COUNTS, "contempt"]), "contempt, which is none"),
        ("".join(f"{n},0\n" for n in COUNTS), "no class a share above 0"),
    ],
)
def test_a_file_that_says_no_prior_is_refused(counted, tmp_path, text, says):
    (tmp_path / "prior.csv").write_text(text)
    with pytest.raises(DataError, match=says):
        Recognizer(counted(), prior=tmp_path / "prior.csv")


def test_a_word_that_is_none_is_answered_with_those_that_are(counted):
    with pytest.raises(DataError, match="Did you mean 'uniform'"):
        read_prior("unifrom")


@pytest.mark.parametrize(
    "card",
    [{}, {"images": 7}, {"images": {"train": {"anger": 3}}}, {"images": {"train": {**COUNTS, "fear": 0}}}],
    ids=["none", "a number", "one class", "a class without images"],
)
def test_a_model_that_does_not_say_its_prior_takes_no_other(bundle_maker, tmp_path, card):
    bundle = bundle_maker(tmp_path / "b.mien", card=card)
    assert Recognizer(bundle).recognize_crops(CROPS)
    with pytest.raises(BundleError, match="does not say how many training images"):
        Recognizer(bundle, prior="uniform")


@pytest.mark.parametrize("name", sorted(shipped_bundles()))
def test_every_shipped_model_says_its_prior(name):
    from mien.bundle import load_bundle

    shares = training_prior(load_bundle(name), SEVEN)
    assert shares.argmin() == SEVEN.expressions.index("disgust")
    assert shares.sum() == pytest.approx(1)


def test_a_result_says_the_prior_where_it_is_not_the_usual_one(counted, portrait):
    bundle = counted()
    plain, said = (Recognizer(bundle, prior=prior).recognize(portrait) for prior in ("training", "uniform"))
    assert "choices" not in plain.to_dict()
    assert "prior" not in plain.to_rows()[0]
    assert said.to_dict()["choices"] == {"prior": "uniform"}
    assert said.to_rows()[0]["prior"] == "uniform"
    assert PhotoResult.from_json(said.to_json()) == said
    assert said.frame()["prior"][0] == "uniform"
    assert Recognizer(bundle, prior="uniform").with_options(labels="six").prior.name == "uniform"


def test_the_table_says_it_and_a_batch_of_another_prior_is_not_gone_on_with(counted, portrait, tmp_path, monkeypatch):
    bundle, table = counted(), tmp_path / "faces.csv"
    arguments = [str(portrait), "--bundle", bundle.source, "--csv", str(table)]

    def stop(self, photos):
        raise KeyboardInterrupt
        yield

    with monkeypatch.context() as patched:
        patched.setattr(Recognizer, "recognize_many", stop)
        assert CliRunner().invoke(app, [*arguments, "--prior", "uniform"]).exit_code == 130
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, MienError)
    assert "prior: uniform, now training" in str(result.exception)
    result = CliRunner().invoke(app, [*arguments, "--prior", "uniform"])
    assert result.exit_code == 0, result.output
    assert "prior: uniform" in result.stderr
    with table.open(encoding="utf-8") as file:
        assert [row["prior"] for row in csv.DictReader(file)] == ["uniform"]


def test_an_evaluation_takes_a_prior_and_says_it(counted):
    bundle, data = counted(), "drawn:count=60,size=48"
    plain = evaluate(bundle, data, cache=None)
    said = evaluate(bundle, data, cache=None, prior="uniform")
    train = training_prior(bundle, plain.label_set)
    expected = adjust_prior(plain.predictions.probabilities, train, np.full(len(train), 1 / len(train)))
    np.testing.assert_allclose(said.predictions.probabilities, expected, atol=1e-6)
    assert (plain.to_json()["prior"], said.to_json()["prior"]) == ("training", "uniform")
    assert said.evaluation.answers is None
