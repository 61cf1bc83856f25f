"""Laws of recipes, plans and study files that hold for any settings."""

import json
import tomllib
from dataclasses import fields, replace
from typing import Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import given, settings
from hypothesis import strategies as st

from mien.datasets.protocol import ProtocolSpec
from mien.errors import MienError, StudyFileError
from mien.study.backbones import BACKBONES
from mien.study.plan import Plan, SplitFacts, make_plan
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe, TeacherSpec
from mien.study.settings import parse
from mien.study.spec import parse_study

few = settings(max_examples=60, deadline=None)


def values_of(hint: object) -> st.SearchStrategy:
    """Values of a field's type, of sizes that its range most often allows."""
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        return st.one_of([st.none() if option is type(None) else values_of(option) for option in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(values_of(get_args(hint)[0]), max_size=2).map(tuple)
    return {
        bool: st.booleans(),
        int: st.integers(1, 300),
        float: st.floats(0.001, 0.5),
        str: st.just("none"),
    }[hint]


def specs(owner: type, **given_fields: st.SearchStrategy) -> st.SearchStrategy:
    """Specifications that can be made: a few settings each, the others as they are by default."""
    hints = get_type_hints(owner)
    choices = {
        item.name: given_fields[item.name] if item.name in given_fields else values_of(hints[item.name])
        for item in fields(owner)
        if item.name in given_fields or hints[item.name] not in (PreprocessingSpec, AugmentationSpec, TeacherSpec)
    }

    def make(values: dict) -> object:
        try:
            return owner(**values)
        except StudyFileError:
            return None

    return st.fixed_dictionaries({}, optional=choices).map(make).filter(lambda made: made is not None)


recipes = specs(
    Recipe,
    backbone=st.sampled_from(list(BACKBONES)),
    weights=st.sampled_from(["none", "imagenet"]),
    preprocessing=specs(PreprocessingSpec),
    augmentation=specs(AugmentationSpec),
    teacher=specs(TeacherSpec, models=st.just(())),
)


def refusal(text: str) -> str | None:
    """What is said against a text as a study file; None when it is one."""
    try:
        parse_study(text, name="study")
    except StudyFileError as error:
        return str(error)
    return None


def facts_of(protocol: ProtocolSpec) -> SplitFacts:
    return SplitFacts("f" * 16, f"split {protocol}", 48, 7, 1000, 100, 200)


@few
@given(recipes)
def test_a_recipe_survives_json(recipe):
    assert parse(Recipe, json.loads(json.dumps(recipe.to_json()))) == recipe


@few
@given(recipes, st.integers(8, 300))
def test_resolving_is_done_once_for_all(recipe, data_size):
    try:
        resolved = recipe.resolved(data_size)
    except MienError:
        return
    assert resolved.resolved(data_size) == resolved
    assert resolved.preprocessing.size is not None
    assert resolved.preprocessing.rescale != "auto"
    assert parse(Recipe, resolved.to_json()) == resolved


def toml(recipe: Recipe) -> str:
    """A study file with this recipe as its base, its optional settings left out where they are not set."""

    def table(name: str, values: dict) -> str:
        plain = {key: value for key, value in values.items() if value is not None and not isinstance(value, dict)}
        return f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in plain.items())

    values = recipe.to_json()
    return (
        'schema = 1\nname = "s"\n[data]\npath = "drawn"\n'
        + table("recipe", values)
        + table("recipe.preprocessing", values["preprocessing"])
        + table("recipe.augmentation", values["augmentation"])
        + table("recipe.teacher", values["teacher"])
        + '[[tables]]\nname = "t"\nrows.activation = ["softmax", "sigmoid"]\ncolumns.label_smoothing = [0.0, 0.3]\n'
    )


@few
@given(recipes)
def test_a_recipe_survives_its_study_file_and_its_plan_survives_json(recipe):
    text = toml(recipe)
    tomllib.loads(text)
    study = parse_study(text)
    assert study.recipe == recipe
    plan = make_plan(study, facts_of)
    assert Plan.from_json(study, json.loads(json.dumps(plan.to_json()))) == plan


@few
@given(
    recipes, st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True), st.sampled_from(["constant", "cosine"])
)
def test_every_cell_is_answered_by_a_run_that_reads_out_its_epoch_or_has_a_reason(recipe, epochs, schedule):
    study = parse_study(
        toml(recipe)
        + f'[[tables]]\nname = "u"\nrows.epochs = {epochs}\ncolumns.schedule = ["{schedule}"]\nseeds = [0, 1]\n'
    )
    plan = make_plan(study, facts_of)
    runs = {run.id: run for run in plan.runs}
    assert len(runs) == len(plan.runs)
    for cell in plan.cells:
        assert (cell.run_id is None) == (cell.readout is None) == (cell.reason is not None)
        if cell.run_id is not None:
            assert cell.readout in runs[cell.run_id].readouts
            assert runs[cell.run_id].recipe.seed == cell.seed
    for run in plan.runs:
        assert list(run.readouts) == sorted(set(run.readouts))
        assert run.readouts[-1] == run.recipe.epochs
    assert plan.epochs_run <= plan.epochs_asked or not plan.runs


@few
@given(recipes)
def test_the_tables_order_does_not_change_what_is_run(recipe):
    study = parse_study(toml(recipe) + '[[tables]]\nname = "u"\nrows.epochs = [1, 2]\n')
    turned = replace(study, tables=study.tables[::-1])
    assert {run.id for run in make_plan(study, facts_of).runs} == {run.id for run in make_plan(turned, facts_of).runs}


@few
@given(st.text(max_size=200))
def test_any_text_is_a_study_or_one_sentence(text):
    assert (refusal(text) or "study").startswith("study")


@few
@given(
    st.dictionaries(
        st.sampled_from(["schema", "name", "data", "tables", "recipe", "protocol", "rows", "title"]),
        st.recursive(
            st.one_of(
                st.booleans(), st.integers(-3, 3), st.floats(allow_nan=False, allow_infinity=False), st.just("a")
            ),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.sampled_from(["name", "path", "rows", "label", "epochs"]), inner, max_size=3),
            ),
            max_leaves=8,
        ),
    )
)
def test_any_values_under_known_keys_are_a_study_or_one_sentence(values):
    def literal(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {literal(inner)}" for key, inner in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(literal(inner) for inner in value) + "]"
        return repr(value) if isinstance(value, float) else json.dumps(value)

    text = "".join(f"{key} = {literal(value)}\n" for key, value in values.items())
    assert (refusal(text) or "study").startswith("study")
