"""The studies of the published deck: every cell of its tables has its run, and no figure of it was mistyped."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from mien.datasets.protocol import ProtocolSpec
from mien.study.backbones import BACKBONES
from mien.study.cost import cost_key
from mien.study.plan import Plan, PlannedRun, SplitFacts, make_plan
from mien.study.recipe import PreprocessingSpec, Recipe
from mien.study.reference import Published, Reference, read_reference, read_references
from mien.study.spec import Study, Table, read_study

STUDIES = Path(__file__).parents[2] / "studies"
DECK = Path(__file__).parents[3] / "shared" / "DECK.md"

# What the deck calls each of its tables, and what the study does.
HEADINGS = {
    "epochs": "Accuracy after 10 and 15 epochs",
    "optimizers": "Optimizers (10 epochs)",
    "activations": "Output activation",
    "normalisation": "Feature-wise normalisation (loss, accuracy)",
    "rates": "Learning rate (loss, accuracy)",
}

# The common recipe behind the deck's tables; what a column of a table changes of it.
COMMON = Recipe(
    optimizer="rmsprop",
    learning_rate=0.01,
    schedule="plateau",
    batch_size=32,
    epochs=10,
    batch_statistics="moving",
    preprocessing=PreprocessingSpec(featurewise_center=True, featurewise_std=True),
)
CHANGES: dict[tuple[str, str], dict[str, object]] = {
    ("epochs", "10"): {},
    ("epochs", "15"): {"epochs": 15},
    ("optimizers", "RMSprop"): {},
    ("optimizers", "SGD"): {"optimizer": "sgd"},
    ("optimizers", "Adam"): {"optimizer": "adam"},
    ("activations", "softmax"): {},
    ("activations", "relu"): {"activation": "relu"},
    ("activations", "sigmoid"): {"activation": "sigmoid"},
    ("normalisation", "with"): {},
    ("normalisation", "without"): {"preprocessing": PreprocessingSpec()},
    ("rates", "1"): {"learning_rate": 1.0},
    ("rates", "0.01"): {},
}


def study_of(name: str) -> Study:
    return read_study(STUDIES / f"{name}.toml")


def plan_of(name: str) -> Plan:
    def facts(protocol: ProtocolSpec) -> SplitFacts:
        return SplitFacts("f" * 16, f"split {protocol}", 48, 6, round(25_445 * protocol.train_fraction), 2_828, 7_067)

    return make_plan(study_of(name), facts)


def table_of(study: Study, name: str) -> Table:
    return next(table for table in study.tables if table.name == name)


@pytest.fixture(scope="module")
def deck() -> Plan:
    return plan_of("deck")


@pytest.fixture(scope="module")
def reference() -> Reference:
    return read_reference(STUDIES / "deck-reference.toml")


def answered(plan: Plan, table: str, row: str, column: str) -> tuple[PlannedRun, int]:
    """The one run that answers a place, and after which epoch."""
    (cell,) = [cell for cell in plan.cells if (cell.table, cell.row, cell.column) == (table, row, column)]
    assert cell.run_id is not None, cell.reason
    assert cell.readout is not None
    return next(run for run in plan.runs if run.id == cell.run_id), cell.readout


def tables_in(text: str) -> dict[str, dict[tuple[str, str], list[str]]]:
    """The tables of a Markdown page, by the line above each: figures by row and column."""
    found = {}
    for match in re.finditer(r"^(?P<heading>[^|\n]+)\n\n(?P<table>(?:\|.*\|\n?)+)", text, re.M):
        lines = [[part.strip() for part in line.strip("|").split("|")] for line in match["table"].splitlines()]
        (_, *columns), _, *rows = lines
        found[match["heading"]] = {
            (row, column): entry.split(", ")
            for row, *entries in rows
            for column, entry in zip(columns, entries, strict=True)
        }
    return found


@pytest.mark.skipif(not DECK.is_file(), reason="the deck's figures lie beside the checkout where it was made")
def test_the_reference_holds_every_table_of_the_deck_as_printed(reference: Reference) -> None:
    printed = tables_in(DECK.read_text(encoding="utf-8"))
    assert {printed_name for printed_name in HEADINGS.values()} == set(printed)
    assert set(reference.tables) == set(HEADINGS)
    for name, heading in HEADINGS.items():
        held = reference.tables[name]
        expected = {
            (*place, metric): Published(float(figure), len(figure.partition(".")[2]))
            for place, figures in printed[heading].items()
            for metric, figure in zip(held.metrics, figures, strict=True)
        }
        assert held.figures == expected


def test_the_reference_is_as_large_as_the_deck(reference: Reference) -> None:
    counts = {name: len(table.figures) for name, table in reference.tables.items()}
    assert counts == {"epochs": 18, "optimizers": 27, "activations": 18, "normalisation": 28, "rates": 8}


@pytest.mark.parametrize("study", ["deck", "deck-quick"])
@pytest.mark.parametrize("name", HEADINGS)
def test_every_published_cell_has_its_run_with_the_decks_recipe(study: str, name: str, reference: Reference) -> None:
    plan = plan_of(study)
    spec = table_of(plan.study, name)
    titles = {row.title: key for key, row in BACKBONES.items()}
    assert reference.tables[name].metrics == spec.metrics
    for row, column, _ in reference.tables[name].figures:
        run, readout = answered(plan, name, row, column)
        wanted = replace(COMMON, backbone=titles[row], **CHANGES[name, column])  # type: ignore[arg-type]
        assert readout == wanted.epochs
        assert replace(run.recipe, epochs=readout) == wanted.resolved(48)
        assert (run.protocol.labels, run.protocol.roles) == ("six", "deck")


def test_every_axis_is_there(deck: Plan) -> None:
    assert [table.name for table in deck.study.tables] == [*HEADINGS, "whitening", "depth", "weights"]
    assert not [cell for cell in deck.cells if cell.reason]
    assert answered(deck, "whitening", "VGG16", "with")[0].recipe.preprocessing.zca
    assert answered(deck, "weights", "VGG16", "imagenet")[0].recipe.weights == "imagenet"


def test_random_and_imagenet_weights_differ_in_the_weights_alone(deck: Plan) -> None:
    for backbone in {cell.row for cell in deck.cells if cell.table == "weights"}:
        random, pretrained = (answered(deck, "weights", backbone, column)[0].recipe for column in ("none", "imagenet"))
        assert replace(random, weights="imagenet") == pretrained


def test_the_rows_of_the_depth_table_say_the_depth_of_their_networks_and_cost_nothing(deck: Plan) -> None:
    points = table_of(deck.study, "depth").rows.points
    rows = [BACKBONES[point.changes["backbone"]] for point in points]
    assert [point.label for point in points] == [f"{row.title} ({row.depth} layers)" for row in rows]
    assert [row.depth for row in rows] == sorted(row.depth for row in rows)
    others = [table for table in deck.study.tables if table.name != "depth"]
    assert deck.only(others).runs == deck.runs


def test_fewer_epochs_are_run_than_the_tables_ask_for(deck: Plan) -> None:
    # 9 backbones for 15 epochs; 2 other optimizers, whitening and no normalisation for 9; relu and sigmoid for 6; rate
    # 1 for 2; random and ImageNet weights for 9.
    assert deck.epochs_run == 9 * 15 + 10 * (2 * 9 + 9 + 9 + 2 * 6 + 2 + 2 * 9)
    assert deck.epochs_asked == 2 * 9 * (10 + 15) + 10 * (3 * 9 + 3 * 6 + 2 * 9 + 2 * 2 + 2 * 9 + 2 * 9)


def test_measuring_the_deck_takes_each_network_once(deck) -> None:
    facts = SplitFacts("f" * 16, "split", 48, 6, 25_445, 2_828, 7_067)
    assert len({cost_key(run, facts) for run in deck.runs}) == len({run.recipe.backbone for run in deck.runs}) == 9


def test_the_quick_study_is_the_same_on_a_quarter_of_the_training_role() -> None:
    full, quick = study_of("deck"), study_of("deck-quick")
    assert quick.tables == tuple(table for table in full.tables if table.name != "weights")
    assert quick.recipe == full.recipe
    assert quick.data == full.data
    assert quick.protocol == replace(full.protocol, train_fraction=0.25)


def test_the_fixed_study_asks_the_same_networks_with_three_seeds_and_chooses_on_validation() -> None:
    study = study_of("deck-fixed")
    (table,) = study.tables
    assert {point.changes["backbone"] for point in table.rows.points} == {
        point.changes["backbone"] for point in table_of(study_of("deck"), "epochs").rows.points
    }
    assert len(table.seeds) == 3
    assert (table.choose, study.recipe.select) == ("columns", "best_accuracy")
    assert study.recipe.schedule == "cosine"
    assert study.recipe.warmup_epochs
    assert study.recipe.augmentation.active
    assert study.recipe.label_smoothing
    assert not [cell for cell in plan_of("deck-fixed").cells if cell.reason]


@pytest.mark.parametrize("name", ["deck", "deck-quick"])
def test_every_claim_is_about_places_that_the_study_asks_for(name: str) -> None:
    study = study_of(name)
    for reference in read_references(study, STUDIES).values():
        assert reference.claims
        for claim in reference.claims:
            table = table_of(study, claim.table)
            axis, other = (table.rows, table.columns) if claim.axis == "rows" else (table.columns, table.rows)
            assert {*claim.better, *claim.than} <= {point.label for point in axis.points}
            assert set(claim.among) <= {point.label for point in other.points}
