import re
from pathlib import Path

import pytest

from mien.errors import ContradictionError, StudyFileError
from mien.study.recipe import Recipe
from mien.study.spec import Axis, Point, parse_study, read_study, tables_named, with_setting

BASE = """\
schema = 1
name = "small"

[data]
path = "drawn"

[protocol]
train_fraction = 0.5

[recipe]
epochs = 2

[recipe.preprocessing]
featurewise_center = true

[recipe.augmentation]
flip = true

[[tables]]
name = "networks"
metrics = ["accuracy"]
rows.backbone = ["mien_small", "vgg16"]
"""


def with_line(after: str, line: str) -> str:
    """The base file with a line added below another."""
    assert f"{after}\n" in BASE
    return BASE.replace(f"{after}\n", f"{after}\n{line}\n", 1)


def line_of(text: str, line: str) -> int:
    return text.splitlines().index(line) + 1


def refusal(text: str) -> str:
    with pytest.raises(StudyFileError) as caught:
        parse_study(text, name="small.toml")
    return str(caught.value)


def test_a_small_file_says_everything():
    study = parse_study(BASE)
    assert (study.name, study.title, study.data.path) == ("small", "small", "drawn")
    assert study.protocol.train_fraction == 0.5
    assert study.recipe == Recipe(
        epochs=2, preprocessing=study.recipe.preprocessing, augmentation=study.recipe.augmentation
    )
    (table,) = study.tables
    assert [point.label for point in table.rows.points] == ["mien_small", "VGG16"]
    assert [point.changes for point in table.rows.points] == [{"backbone": "mien_small"}, {"backbone": "vgg16"}]
    assert table.columns.points == (Point("", {}),)


@pytest.mark.parametrize("file", ["studies/nine.toml", "src/mien/data/demo.toml"])
def test_the_files_of_the_project_are_read(file):
    assert read_study(Path(__file__).parents[2] / file).tables


@pytest.mark.parametrize(
    ("after", "line", "nearest"),
    [
        ("schema = 1", 'titel = "x"', "title"),
        ('path = "drawn"', 'raeder = "folders"', "reader"),
        ("train_fraction = 0.5", 'lables = "six"', "labels"),
        ("epochs = 2", "learning_rat = 0.1", "learning_rate"),
        ("featurewise_center = true", "featurewise_sdt = true", "featurewise_std"),
        ("flip = true", "rotaton = 5.0", "rotation"),
        ('name = "networks"', "seed = [1]", "seeds"),
        ('name = "networks"', "fixed.learning_rat = 0.1", "learning_rate"),
        ('name = "networks"', "columns.optimiser = ['adam']", "optimizer"),
        ('name = "networks"', "columns.preprocesing.zca = [true]", "preprocessing.zca"),
        ('name = "networks"', "columns.zca = [true]", "preprocessing.zca"),
        ('name = "networks"', "columns.protocol.role = ['deck']", "protocol.roles"),
        ('name = "networks"', "columns = [{ label = 'a', dropuot = 0.1 }]", "dropout"),
        ("epochs = 2", 'backbone = "vgg166"', "vgg16"),
        ("epochs = 2", 'optimizer = "adamm"', "adam"),
        ("train_fraction = 0.5", 'labels = "sx"', "six"),
        ('path = "drawn"', 'on_mismatch = "refus"', "refuse"),
        ('name = "networks"', "columns.optimizer = ['adamm']", "adam"),
        ('name = "networks"', "columns.protocol.labels = ['sevn']", "seven"),
    ],
)
def test_an_unknown_word_is_met_with_its_line_and_the_nearest_right_one(after, line, nearest):
    text = with_line(after, line)
    message = refusal(text)
    assert message.startswith(f"small.toml, line {line_of(text, line)}: ")
    assert f"Did you mean {nearest!r}?" in message


def test_an_unknown_metric_is_met_with_its_line_and_the_nearest_right_one():
    message = refusal(BASE.replace('["accuracy"]', '["acuracy"]'))
    assert message == "small.toml, line 21: There is no metric 'acuracy'. Did you mean 'accuracy'?"


def test_an_unknown_table_of_settings_is_met_with_its_line():
    message = refusal(BASE.replace("[recipe.augmentation]", "[recipe.augmentaton]"))
    assert message == "small.toml, line 16: [recipe] has no key 'augmentaton'. Did you mean 'augmentation'?"


@pytest.mark.parametrize(
    ("after", "line", "message"),
    [
        ("epochs = 2", "batch_size = 32.5", "recipe.batch_size must be a whole number. Received: 32.5."),
        ("epochs = 2", 'learning_rate = "fast"', "recipe.learning_rate must be a number. Received: 'fast'."),
        (
            "epochs = 2",
            "learning_rate = 0.0",
            "learning_rate must lie in (0.0, 1000.0]. Received: learning_rate = 0.0.",
        ),
        (
            "epochs = 2",
            "learning_rate = nan",
            "learning_rate must lie in (0.0, 1000.0]. Received: learning_rate = nan.",
        ),
        ("epochs = 2", "dropout = 1.0", "dropout must lie in [0.0, 0.95]. Received: dropout = 1.0."),
        ("flip = true", "shift = 0.6", "augmentation.shift must lie in [0.0, 0.5]."),
        ("featurewise_center = true", "size = 4", "preprocessing.size must lie in [8, 1024]."),
        ("train_fraction = 0.5", "test_fraction = 1.0", "test_fraction must lie between 0 and 1, both excluded."),
        ('name = "networks"', "title = 3", "tables.title must be a text. Received: 3."),
        ('name = "networks"', "seeds = []", "seeds must name at least one seed."),
        ('name = "networks"', "seeds = [1, 1]", "seeds names 1 twice: 1, 1."),
        ('name = "networks"', "seeds = [-1]", "seed must lie in [0, 2147483647]."),
        ('name = "networks"', 'seeds = ["a"]', "tables.seeds must be a whole number. Received: 'a'."),
        ('name = "networks"', "fixed = 3", "tables.fixed must be a table. Received: 3."),
        ('name = "networks"', "fixed.epochs = 0", "epochs must lie in [1, 100000]. Received: epochs = 0."),
        ('name = "networks"', "columns.epochs = [1, 0]", "epochs must lie in [1, 100000]. Received: epochs = 0."),
        ('name = "networks"', "columns.epochs = [1, 1.5]", "tables.columns.epochs must be a whole number."),
        ('name = "networks"', "columns.epochs = 3", "tables.columns.epochs must be a list of values. Received: 3."),
        ('name = "networks"', "columns.epochs = []", "tables.columns.epochs must be a list of values. Received: []."),
        ('name = "networks"', "columns = []", "tables.columns must be a table of lists or a list of tables."),
        ('name = "networks"', "columns = [{ dropout = 0.1 }]", "tables.columns must hold tables with a label, like"),
        (
            'name = "networks"',
            "columns.dropout = [0.1, 0.1]",
            "tables.columns has two positions with one label: 0.1, 0.1",
        ),
        (
            'name = "networks"',
            "columns.backbone = ['vgg16']",
            "Table 'networks' changes backbone in rows and in columns.",
        ),
    ],
)
def test_an_impossible_value_is_met_with_its_line_and_what_is_expected(after, line, message):
    text = with_line(after, line)
    received = refusal(text)
    assert received.startswith(f"small.toml, line {line_of(text, line)}: {message}")


def test_a_metric_that_is_named_twice_is_an_error():
    text = BASE.replace("metrics = [", 'metrics = ["top2", "top2", ')
    assert text != BASE
    assert "metrics names 'top2' twice: top2, top2" in refusal(text)


def test_positions_that_differ_in_the_seventh_digit_have_labels_of_their_own():
    table = parse_study(with_line('name = "networks"', "columns.dropout = [0.1234567, 0.1234568, 0.10]")).tables[0]
    assert [point.label for point in table.columns.points] == ["0.1234567", "0.1234568", "0.1"]


def test_a_setting_that_is_fixed_and_on_an_axis_is_an_error():
    text = with_line('name = "networks"', "fixed.backbone = 'vgg16'")
    number = line_of(text, 'rows.backbone = ["mien_small", "vgg16"]')
    assert refusal(text) == f"small.toml, line {number}: Table 'networks' changes backbone in fixed and in rows."


def test_seeds_and_an_axis_of_seeds_contradict_each_other():
    text = with_line('name = "networks"', "seeds = [0]\ncolumns.seed = [1, 2]")
    assert "Table 'networks' changes seed in columns and in seeds." in refusal(text)


def test_settings_of_the_base_that_contradict_each_other_are_an_error():
    with pytest.raises(ContradictionError, match=r"small.toml, line 13: .*contradict") as caught:
        parse_study(with_line("featurewise_center = true", "featurewise_std = true\nzca = true"), name="small.toml")
    assert caught.value.path == ("recipe", "preprocessing")


def test_settings_of_an_axis_may_contradict_the_base_for_the_plan_to_skip():
    study = parse_study(with_line('name = "networks"', "columns.preprocessing.rescale = ['imagenet', 'unit']"))
    with pytest.raises(ContradictionError, match="rescale"):
        with_setting(study, study.tables[0].columns.points[0].changes)
    recipe, protocol = with_setting(study, {"preprocessing.zca": True, "protocol.roles": "split", "epochs": 7})
    assert (recipe.preprocessing.zca, recipe.preprocessing.featurewise_center, recipe.epochs) == (True, True, 7)
    assert (protocol.roles, protocol.train_fraction) == ("split", 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE.replace("schema = 1", "schema = 2"), "small.toml, line 1: The study file has schema 2, and this mien"),
        (BASE.replace("schema = 1", "schema = 0"), "small.toml, line 1: schema must be 1. Received: 0."),
        (BASE.replace("schema = 1", "schema = true"), "small.toml, line 1: schema must be a whole number."),
        (BASE.replace("schema = 1\n", ""), "small.toml: The study file lacks the key 'schema'."),
        (BASE.replace('path = "drawn"\n', ""), "small.toml, line 4: Data need a path, or several"),
        (BASE.replace('name = "networks"\n', ""), "small.toml, line 19: [[tables]] lacks the key 'name'."),
        (
            BASE.replace("[[tables]]", "[tables]"),
            "small.toml, line 19: tables must be a list of tables: write [[tables]]",
        ),
        (BASE[: BASE.index("[[tables]]")], "small.toml: The study file lacks the key 'tables'."),
        (
            "tables = []\n" + BASE[: BASE.index("[[tables]]")],
            "small.toml, line 1: A study needs at least one [[tables]]",
        ),
        (BASE + BASE[BASE.index("[[tables]]") :], "small.toml, line 24: Two tables are called 'networks'."),
        (
            BASE + '[[tables]]\nname = "Networks"\nrows.epochs = [1]\n',
            "small.toml, line 24: Two tables are called 'Networks'.",
        ),
        (BASE.replace('"small"', '"../up"'), "small.toml, line 2: name becomes a folder's name"),
        (BASE.replace('"networks"', '""'), "small.toml, line 20: A table needs a name that is not empty."),
        (BASE.replace("epochs = 2", "epochs ="), "small.toml is not TOML: Invalid value"),
        ("", "small.toml: The study file lacks the key"),
    ],
)
def test_a_file_that_is_no_study_is_refused_in_one_sentence(text, message):
    assert refusal(text).startswith(message)


def test_a_newer_schema_says_how_to_update():
    assert "pip install -U mien" in refusal(BASE.replace("schema = 1", "schema = 2"))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "missing.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyFileError, match=re.escape(f"The study file {path} cannot be read")):
        read_study(path)


class TestAxes:
    def labels(self, lines: str) -> tuple[str, list[str]]:
        table = parse_study(with_line('name = "networks"', lines)).tables[0]
        return table.columns.title, [point.label for point in table.columns.points]

    def test_a_grid_is_the_product_of_its_lists(self):
        title, labels = self.labels("columns.dropout = [0.0, 0.25]\ncolumns.optimizer = ['sgd', 'adam']")
        assert title == "dropout, optimizer"
        assert labels == ["0, sgd", "0, adam", "0.25, sgd", "0.25, adam"]

    def test_switches_are_labelled_with_their_name(self):
        assert self.labels("columns.preprocessing.zca = [false, true]") == ("preprocessing.zca", ["zca off", "zca on"])

    def test_whole_tables_of_settings_are_labelled_with_the_names_of_what_they_change(self):
        lines = "columns.augmentation = [{ }, { blur = 0.05, noise = 0.05 }, { erasing = 0.5, flip = true }]"
        title, labels = self.labels(lines)
        assert title == "augmentation"
        assert labels == ["unchanged", "blur 0.05, noise 0.05", "erasing 0.5, flip on"]
        assert self.labels("columns.augmentation = [{ blur = 0.05 }, { noise = 0.05 }]")[1] == [
            "blur 0.05",
            "noise 0.05",
        ]

    def test_points_have_their_own_labels(self):
        lines = "columns = [{ label = 'plain' }, { label = 'white', preprocessing = { zca = true, size = 64 } }]"
        table = parse_study(with_line('name = "networks"', lines)).tables[0]
        assert table.columns.points == (
            Point("plain", {}),
            Point("white", {"preprocessing.zca": True, "preprocessing.size": 64}),
        )


def test_tables_are_found_by_name_in_the_studys_order():
    study = parse_study(BASE + '[[tables]]\nname = "more"\nrows.epochs = [1]\n')
    assert [table.name for table in tables_named(study, [])] == ["networks", "more"]
    assert [table.name for table in tables_named(study, ["more"])] == ["more"]
    with pytest.raises(StudyFileError, match="no table 'mor'. Did you mean 'more'"):
        tables_named(study, ["mor"])


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("10", "epochs = 10"),
        ("0.01", "epochs = 0.01"),
        ("1e-05", "epochs = 1e-05"),
        ("Adam", "Adam"),
        ("v1.2.3", "v1.2.3"),
    ],
)
def test_a_bare_number_is_said_with_what_it_is_a_number_of(label, said):
    assert Axis("epochs", ()).named(label) == said
