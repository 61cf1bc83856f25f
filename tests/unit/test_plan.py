import json
import re
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from mien.bundle import shipped_bundles
from mien.datasets.protocol import ProtocolSpec
from mien.errors import ProtocolError, StudyFileError
from mien.study.plan import Plan, SplitFacts, identity_of, make_plan, name_of, name_run, portable
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe, TeacherSpec
from mien.study.spec import parse_study, with_setting


def facts_of(protocol: ProtocolSpec, *, image_size: int = 48) -> SplitFacts:
    if protocol.labels == "eight":
        raise ProtocolError("labels = 'eight' asks for contempt, which the data set does not have.")
    split = f"{protocol.labels} {protocol.roles} {protocol.train_fraction} {protocol.seed}"
    return SplitFacts("f" * 16, split, image_size, 7, 1000, 100, 200)


def study_of(*tables: str, recipe: str = "", head: str = ""):
    text = f'schema = 1\nname = "s"\n{head}\n[data]\npath = "drawn"\n[recipe]\n{recipe}\n'
    return parse_study(text + "".join(f'[[tables]]\nname = "t{i}"\n{lines}\n' for i, lines in enumerate(tables)))


def plan_of(*tables: str, recipe: str = "", backend: str | None = None) -> Plan:
    return make_plan(study_of(*tables, recipe=recipe), facts_of, backend=backend)


def run_id(channels: str = "gray", **changes) -> str:
    """The name of the one run that a study with these settings asks for."""
    study = study_of("rows.epochs = [4]")
    recipe, protocol = with_setting(study, {"epochs": 4, **changes})
    facts = replace(facts_of(protocol), channels=channels)
    return name_run(recipe.resolved(facts.image_size, facts.channels), facts)


class TestCells:
    def test_every_place_and_seed_is_a_cell_in_the_files_order(self):
        plan = plan_of("rows.backbone = ['mien_small', 'vgg16']\ncolumns.epochs = [1, 2]\nseeds = [3, 4]")
        assert [(c.row, c.column, c.seed, c.readout) for c in plan.cells] == [
            (row, column, seed, int(column))
            for row in ("mien_small", "VGG16")
            for column in ("1", "2")
            for seed in (3, 4)
        ]

    def test_cells_of_two_tables_that_are_the_same_run_share_it(self):
        plan = plan_of(
            "rows.backbone = ['mien_small', 'vgg16']\ncolumns.optimizer = ['adam']",
            "rows.optimizer = ['sgd', 'adam']\nfixed.backbone = 'vgg16'",
        )
        assert len(plan.cells) == 4
        assert len(plan.runs) == 3
        assert plan.cells[1].run_id == plan.cells[3].run_id

    def test_a_contradiction_on_an_axis_is_skipped_with_its_reason(self):
        plan = plan_of(
            "rows.preprocessing.featurewise_center = [true, false]\ncolumns.preprocessing.zca = [true, false]"
        )
        skipped = [cell for cell in plan.cells if cell.run_id is None]
        assert [(cell.row, cell.column) for cell in skipped] == [("featurewise_center off", "zca on")]
        assert "zca needs featurewise_center = true" in skipped[0].reason
        assert skipped[0].readout is None
        assert len(plan.runs) == 3

    @pytest.mark.parametrize(
        ("table", "backend", "reason"),
        [
            ("rows.backbone = ['xception']\nfixed.preprocessing.size = 48", None, "at least 71 pixels"),
            ("rows.backbone = ['mien_small']\nfixed.weights = 'imagenet'", None, "mien_small has no ImageNet weights"),
            ("rows.backbone = ['nasnetmobile']", "torch", "does not work on Keras' torch backend"),
            ("rows.weights = ['nowhere.h5']", None, "There is no weight file nowhere.h5"),
            ("rows.protocol.labels = ['eight']", None, "asks for contempt"),
            ("rows.preprocessing.channels = ['rgb']", None, "channels = 'rgb' in [data]"),
        ],
    )
    def test_what_cannot_be_run_is_skipped_with_its_reason(self, table, backend, reason):
        (cell,) = plan_of(table, backend=backend).cells
        assert cell.run_id is None
        assert reason in cell.reason

    def test_a_backend_that_works_skips_nothing(self):
        assert plan_of("rows.backbone = ['nasnetmobile']", backend="tensorflow").runs

    def test_a_protocol_that_the_data_cannot_serve_at_all_is_an_error(self):
        study = replace(study_of("rows.epochs = [1]"), protocol=ProtocolSpec(labels="eight"))
        with pytest.raises(ProtocolError, match="contempt"):
            make_plan(study, facts_of)

    def test_the_facts_of_a_protocol_are_asked_for_once(self):
        asked = []

        def counted(protocol):
            asked.append(protocol)
            return facts_of(protocol)

        make_plan(study_of("rows.backbone = ['mien_small', 'vgg16']\ncolumns.epochs = [1, 2]"), counted)
        assert asked == [ProtocolSpec()]


class TestSeeds:
    def seeds(self, table: str, recipe: str = "") -> list[int]:
        plan = plan_of(table, recipe=recipe)
        by_id = {run.id: run.recipe.seed for run in plan.runs}
        assert [by_id[cell.run_id] for cell in plan.cells] == [cell.seed for cell in plan.cells]
        return [cell.seed for cell in plan.cells]

    def test_the_seed_is_the_recipes_unless_the_table_says_otherwise(self):
        assert self.seeds("rows.epochs = [1]") == [0]
        assert self.seeds("rows.epochs = [1]", recipe="seed = 5") == [5]
        assert self.seeds("rows.epochs = [1]\nseeds = [1, 2]", recipe="seed = 5") == [1, 2]
        assert self.seeds("rows.epochs = [1]\nfixed.seed = 7", recipe="seed = 5") == [7]
        assert self.seeds("rows.seed = [8, 9]", recipe="seed = 5") == [8, 9]


class TestEpochs:
    @pytest.mark.parametrize("schedule", ["constant", "plateau"])
    def test_one_run_answers_for_fewer_epochs_where_the_schedule_allows(self, schedule):
        plan = plan_of(
            f"rows.epochs = [10, 3]\nfixed.schedule = '{schedule}'", f"rows.epochs = [5]\nfixed.schedule = '{schedule}'"
        )
        (run,) = plan.runs
        assert run.readouts == (3, 5, 10)
        assert run.recipe.epochs == 10
        assert [cell.readout for cell in plan.cells] == [10, 3, 5]
        assert (plan.epochs_asked, plan.epochs_run) == (18, 10)

    def test_a_cosine_schedule_depends_on_the_number_of_epochs(self):
        plan = plan_of("rows.epochs = [10, 3]\nfixed.schedule = 'cosine'")
        assert [run.readouts for run in plan.runs] == [(10,), (3,)]
        assert (plan.epochs_asked, plan.epochs_run) == (13, 13)


class TestReadout:
    def test_a_run_is_read_out_on_its_way_whatever_its_schedule(self):
        plan = plan_of("columns.readout = [3, 10]\nrows.dropout = [0.1]\nfixed.schedule = 'cosine'")
        (run,) = plan.runs
        assert (run.readouts, run.recipe.epochs) == ((3, 10), 10)
        assert [cell.readout for cell in plan.cells] == [3, 10]

    def test_the_last_epoch_is_read_out_though_no_cell_asks(self):
        (run,) = plan_of("rows.readout = [3]").runs
        assert run.readouts == (3, 10)

    def test_a_readout_after_the_last_epoch_is_skipped_with_its_reason(self):
        plan = plan_of("rows.readout = [3, 11]")
        assert "readout = 11 lies after the run's last epoch, epochs = 10" in plan.cells[1].reason

    def test_it_is_no_key_of_a_recipe(self):
        with pytest.raises(StudyFileError, match="readout"):
            plan_of("rows.dropout = [0.1]", recipe="readout = 3")


def test_a_plan_from_before_the_choice_kept_the_gathered_averages():
    plan = plan_of("rows.batch_statistics = ['moving']")
    kept = plan.to_json()
    del kept["runs"][0]["recipe"]["batch_statistics"]
    (run,) = Plan.from_json(plan.study, kept).runs
    assert run.recipe.batch_statistics == "moving"


# For each setting: a value that is not the default, and what must hold for it to have an effect.
CENTRED = {"preprocessing.featurewise_center": True}
TAUGHT = {"teacher.models": ("default",), "augmentation.flip": True}
MATTERS = {
    "backbone": ("vgg16", {}),
    "weights": ("imagenet", {"backbone": "vgg16"}),
    "freeze": ("all", {"backbone": "vgg16", "weights": "imagenet"}),
    "activation": ("sigmoid", {}),
    "loss": ("mean_squared_error", {}),
    "heads": (("votes", "labels"), {}),
    "dropout": (0.5, {}),
    "label_smoothing": (0.1, {}),
    "class_weights": ("balanced", {}),
    "optimizer": ("sgd", {}),
    "learning_rate": (0.01, {}),
    "momentum": (0.9, {"optimizer": "sgd"}),
    "nesterov": (True, {"optimizer": "sgd", "momentum": 0.9}),
    "weight_decay": (0.01, {}),
    "schedule": ("cosine", {}),
    "warmup_epochs": (1.0, {"schedule": "cosine"}),
    "plateau_factor": (0.5, {"schedule": "plateau"}),
    "plateau_patience": (5, {"schedule": "plateau"}),
    "minimum_learning_rate": (1e-6, {"schedule": "plateau"}),
    "batch_size": (32, {}),
    "epochs": (7, {}),
    "select": ("best_loss", {}),
    "batch_statistics": ("moving", {}),
    "ema": (0.99, {}),
    "average_last": (5, {}),
    "logit_adjustment": (1.0, {}),
    "stop_patience": (3, {}),
    "precision": ("mixed_float16", {}),
    "seed": (1, {}),
    "preprocessing.rescale": ("signed", {}),
    "preprocessing.samplewise_center": (True, {}),
    "preprocessing.samplewise_std": (True, {"preprocessing.samplewise_center": True}),
    "preprocessing.featurewise_center": (True, {}),
    "preprocessing.featurewise_std": (True, CENTRED),
    "preprocessing.statistics": ("pixel", CENTRED),
    "preprocessing.zca": (True, CENTRED),
    "preprocessing.zca_epsilon": (1e-3, {**CENTRED, "preprocessing.zca": True}),
    "preprocessing.size": (64, {}),
    "preprocessing.channels": ("gray", {}),
    "augmentation.flip": (True, {}),
    "augmentation.shift": (0.1, {}),
    "augmentation.rotation": (10.0, {}),
    "augmentation.zoom": (0.1, {}),
    "augmentation.brightness": (0.1, {}),
    "augmentation.contrast": (0.1, {}),
    "augmentation.blur": (0.03, {}),
    "augmentation.noise": (0.1, {}),
    "augmentation.erasing": (0.1, {}),
    "augmentation.mixup": (0.2, {}),
    "augmentation.cutmix": (1.0, {}),
    "teacher.models": (("default",), {}),
    "teacher.views": (4, TAUGHT),
    "teacher.share": (0.9, TAUGHT),
    "teacher.temperature": (1.0, TAUGHT),
    "teacher.mirror": (True, TAUGHT),
    "protocol.labels": ("six", {}),
    "protocol.roles": ("split", {}),
    "protocol.train_fraction": (0.5, {}),
    "protocol.seed": (1, {}),
}


def test_every_setting_of_a_recipe_is_asked_whether_it_matters():
    names = {item.name for item in fields(Recipe)} - {"preprocessing", "augmentation", "teacher"}
    names |= {f"preprocessing.{item.name}" for item in fields(PreprocessingSpec)}
    names |= {f"augmentation.{item.name}" for item in fields(AugmentationSpec)}
    names |= {f"teacher.{item.name}" for item in fields(TeacherSpec)}
    assert names == {name for name in MATTERS if not name.startswith("protocol.")}


@pytest.mark.parametrize("name", MATTERS)
def test_a_setting_that_can_change_the_result_changes_the_runs_name(name):
    value, company = MATTERS[name]
    # In colour, so that turning gray has something to turn.
    assert run_id("rgb", **company) != run_id("rgb", **company, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "company"),
    [
        ("momentum", 0.9, {"optimizer": "adam"}),
        ("weight_decay", 0.1, {"optimizer": "sgd"}),
        ("plateau_factor", 0.5, {}),
        ("plateau_patience", 9, {"schedule": "cosine"}),
        ("minimum_learning_rate", 1e-5, {}),
        ("preprocessing.statistics", "pixel", {}),
        ("preprocessing.statistics", "pixel", {**CENTRED, "preprocessing.zca": True}),
        ("preprocessing.zca_epsilon", 0.1, CENTRED),
        ("preprocessing.size", 48, {}),
        ("preprocessing.channels", "gray", {}),
        ("preprocessing.rescale", "unit", {}),
        ("preprocessing.rescale", "imagenet", {"backbone": "vgg16", "weights": "imagenet"}),
        ("learning_rate", 0.001, {}),
        ("average_last", 1, {}),
        ("teacher.share", 0.9, {}),
        ("teacher.views", 4, {"teacher.models": ("default",)}),
        ("batch_statistics", "moving", {"backbone": "vgg16"}),
        ("batch_statistics", "moving", {"backbone": "mobilenetv2", "weights": "imagenet", "freeze": "all"}),
    ],
)
def test_a_setting_without_effect_leaves_the_runs_name(name, value, company):
    assert run_id(**company) == run_id(**company, **{name: value})


def test_freezing_the_whole_backbone_has_one_name():
    pretrained = {"backbone": "vgg16", "weights": "imagenet"}
    assert run_id(**pretrained, freeze="all") == run_id(**pretrained, freeze=1.0) != run_id(**pretrained, freeze=0.5)


def test_a_run_is_named_by_the_content_of_its_data():
    recipe, facts = Recipe().resolved(48), facts_of(ProtocolSpec())
    name = name_run(recipe, facts)
    assert len(name) == 12
    assert int(name, 16) >= 0
    assert name_run(recipe, replace(facts, fingerprint="0" * 16)) != name
    assert name_run(recipe, replace(facts, split="another")) != name
    assert name_run(recipe, replace(facts, train=1, validation=2, test=3)) == name


def test_runs_whose_targets_are_weighed_part_by_part_are_not_those_of_before():
    """Balanced mixup and votes give other results since; the names of all other runs are as they were."""
    facts = facts_of(ProtocolSpec())
    balanced = Recipe(class_weights="balanced").resolved(48)
    mixed = replace(balanced, augmentation=AugmentationSpec(mixup=0.2))
    assert name_run(balanced, replace(facts, shared=True)) != name_run(balanced, facts)
    for recipe in (Recipe().resolved(48), mixed):
        assert name_run(recipe, replace(facts, shared=True)) == name_run(recipe, facts)
    former = [name_of({**identity_of(recipe, facts), "readouts": [10]}) for recipe in (balanced, mixed)]
    assert former[0] == "056925ea0472"
    assert former[1] != "b1c716192d9c"


@pytest.mark.parametrize(
    ("table", "voted", "reason"),
    [
        ("rows.heads = [['votes', 'labels']]", True, "heads begins with 'votes'. Set protocol.targets = 'votes'"),
        ("rows.heads = [['labels', 'votes']]", False, "heads has 'votes', which needs the votes of several taggers"),
        (
            "rows.heads = [['votes', 'labels']]\nfixed.class_weights = 'balanced'",
            True,
            "heads and class_weights = 'balanced' contradict each other",
        ),
    ],
)
def test_heads_that_the_data_cannot_serve_are_skipped_with_the_reason(table, voted, reason):
    (cell,) = make_plan(study_of(table), lambda protocol: replace(facts_of(protocol), voted=voted)).cells
    assert cell.run_id is None
    assert reason in cell.reason


def test_one_head_and_two_can_stand_side_by_side():
    study = study_of("rows.heads = [[], ['votes', 'labels']]\nfixed.protocol.targets = 'votes'")
    plan = make_plan(study, lambda protocol: replace(facts_of(protocol), voted=True))
    assert [cell.row for cell in plan.cells] == ["none", "votes and labels"]
    assert [run.recipe.heads for run in plan.runs] == [(), ("votes", "labels")]
    kept = Plan.from_json(study, json.loads(json.dumps(plan.to_json())))
    assert kept.runs == plan.runs


def test_a_weight_file_counts_by_its_content_and_not_by_its_path(tmp_path: Path):
    first, renamed, other = (tmp_path / name for name in ("a.weights.h5", "b.weights.h5", "c.weights.h5"))
    first.write_bytes(b"weights")
    renamed.write_bytes(b"weights")
    other.write_bytes(b"other weights")
    assert run_id(weights=str(first)) == run_id(weights=str(renamed)) != run_id(weights=str(other))


def test_a_weight_file_is_found_beside_its_study_file_and_kept_without_its_path(tmp_path: Path):
    (tmp_path / "a.weights.h5").write_bytes(b"weights")
    study = study_of("rows.weights = ['a.weights.h5']")
    assert "There is no weight file" in make_plan(study, facts_of).cells[0].reason
    plan = make_plan(study, facts_of, base=tmp_path)
    assert plan.runs[0].recipe.weights == str((tmp_path / "a.weights.h5").resolve())
    kept = json.dumps(plan.to_json())
    assert "a.weights.h5 (sha256 " in kept
    assert tmp_path.name not in kept
    read = Plan.from_json(study, json.loads(kept))
    assert [run.id for run in read.runs] == [run.id for run in plan.runs]


def test_a_teacher_counts_by_its_content_and_is_kept_without_its_path(tmp_path: Path):
    copied = tmp_path / "copy.mien"
    copied.write_bytes(shipped_bundles()["default"].read_bytes())
    assert run_id(**{"teacher.models": ("default",)}) == run_id(**{"teacher.models": (str(copied),)})
    both = ("default", "fer2013")
    assert run_id(**{"teacher.models": both}) == run_id(**{"teacher.models": both[::-1]})
    assert run_id(**{"teacher.models": both}) != run_id(**{"teacher.models": ("default",)})

    study = study_of("rows.teacher.models = [[], ['copy.mien']]")
    assert [cell.row for cell in make_plan(study, facts_of).cells] == ["none", "copy.mien"]
    assert "There is no teacher copy.mien" in make_plan(study, facts_of).cells[1].reason
    plan = make_plan(study, facts_of, base=tmp_path)
    assert plan.runs[1].recipe.teacher.models == (str(copied.resolve()),)
    kept = json.dumps(plan.to_json())
    assert "copy.mien (bundle " in kept
    assert tmp_path.name not in kept
    read = Plan.from_json(study, json.loads(kept))
    assert [run.id for run in read.runs] == [run.id for run in plan.runs]
    copied.unlink()  # a run that fails since its teacher is gone still has a record
    assert portable(plan.runs[1].recipe)["teacher"]["models"] == ["copy.mien"]


def test_a_store_stands_for_its_finished_runs(tmp_path: Path):
    def plan():
        table = "rows = [{ label = 'taught', teacher.models = ['store', 'default', 'store/runs/b'] }]"
        return make_plan(study_of(table), facts_of, base=tmp_path)

    for name, files in {
        "a": ("run.json", "network.keras"),
        "b": ("run.json", "network.keras"),
        "c": ("run.json",),
    }.items():
        for file in files:
            path = tmp_path / "store" / "runs" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"id": name}))
    (tmp_path / "store" / "store.json").write_text("{}")
    models = plan().runs[0].recipe.teacher.models
    assert [Path(model).name for model in models] == ["a", "b", "default"]
    shutil.rmtree(tmp_path / "store" / "runs")
    assert "The store store has no finished run to learn from" in plan().cells[0].reason


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"run.json": '{"id": "0123456789ab"}'}, "has no weights any more"),
        ({"run.json": "{", "network.keras": ""}, "cannot be used: .* is damaged"),
        ({"photo.jpg": ""}, "is not a bundle"),
    ],
)
def test_what_is_no_teacher_is_skipped_with_the_reason(tmp_path: Path, files, reason):
    folder = tmp_path / "teacher"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    (cell,) = make_plan(
        study_of("fixed.teacher.models = ['teacher']\nrows.epochs = [1]"), facts_of, base=tmp_path
    ).cells
    assert cell.run_id is None
    assert re.search(reason, cell.reason)


def test_titles_texts_names_and_the_order_of_keys_do_not_count():
    plain = plan_of("rows.optimizer = ['adam']\ncolumns.dropout = [0.1]", recipe="epochs = 3\nlearning_rate = 0.01")
    study = parse_study(
        'name = "another"\ntitle = "A title"\ntext = "Words."\nschema = 1\n'
        '[[tables]]\nmetrics = ["log_loss"]\ntitle = "T"\nname = "other"\ntext = "More."\n'
        "columns.optimizer = ['adam']\nrows = [{ label = 'some dropout', dropout = 0.1 }]\n"
        '[recipe]\nlearning_rate = 0.01\nepochs = 3\n[data]\npath = "somewhere/else"\n'
    )
    assert [run.id for run in make_plan(study, facts_of).runs] == [run.id for run in plain.runs]


def test_a_plan_survives_json():
    study = study_of(
        "rows.backbone = ['mien_small', 'xception']\ncolumns.epochs = [1, 3]\n"
        "fixed.preprocessing.size = 48\nseeds = [0, 1]",
        "rows.protocol.train_fraction = [0.5, 1.0]\nfixed.augmentation.flip = true",
    )
    plan = make_plan(study, facts_of)
    assert any(cell.reason for cell in plan.cells)
    assert Plan.from_json(study, json.loads(json.dumps(plan.to_json()))) == plan


def test_the_part_of_a_plan_for_one_table_holds_its_runs_alone():
    study = study_of("rows.optimizer = ['sgd', 'adam']", "rows.optimizer = ['adam', 'rmsprop']")
    plan = make_plan(study, facts_of)
    part = plan.only(study.tables[1:])
    assert {cell.table for cell in part.cells} == {"t1"}
    assert [run.recipe.optimizer for run in part.runs] == ["adam", "rmsprop"]
    assert [asdict(cell) for cell in part.cells] == [asdict(cell) for cell in plan.cells[2:]]
