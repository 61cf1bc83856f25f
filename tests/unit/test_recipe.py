from dataclasses import replace

import pytest

from mien.errors import ContradictionError, NetworkError, StudyFileError
from mien.study.backbones import BACKBONES
from mien.study.recipe import AugmentationSpec, PreprocessingSpec, Recipe, TeacherSpec
from mien.study.settings import parse


def test_the_defaults_make_a_recipe_that_is_its_own_resolution_but_for_size_and_scale():
    resolved = Recipe().resolved(48)
    assert resolved.preprocessing == PreprocessingSpec(rescale="unit", size=48)
    assert replace(resolved, preprocessing=PreprocessingSpec()) == Recipe()


def test_resolving_twice_changes_nothing():
    recipe = Recipe(backbone="xception", preprocessing=PreprocessingSpec(featurewise_center=True, zca=True))
    assert recipe.resolved(48).resolved(48) == recipe.resolved(48)


HEADS = ("votes", "labels")


def test_a_recipe_survives_json():
    recipe = Recipe(
        freeze=0.5,
        weights="imagenet",
        preprocessing=PreprocessingSpec(samplewise_center=True, size=64),
        augmentation=AugmentationSpec(flip=True, mixup=0.2),
        teacher=TeacherSpec(models=("a.mien", "b.mien"), views=16),
    )
    assert parse(Recipe, recipe.to_json()) == recipe
    recipe = Recipe(heads=HEADS)
    assert parse(Recipe, recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (["votes"], "heads = \\['votes'\\] is one head, .* protocol.targets = 'votes'; or name a second one"),
        (["votes", "votes"], "heads names one twice: votes, votes"),
        (["votes", "label"], "heads cannot be 'label'. Did you mean 'labels'"),
        ("votes", "heads must be a list. Received: 'votes'"),
    ],
)
def test_heads_that_are_none_are_refused_at_their_line(heads, message):
    with pytest.raises(StudyFileError, match=message) as caught:
        parse(Recipe, {"heads": heads}, ("recipe",))
    assert caught.value.path == ("recipe", "heads")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nesterov": True, "momentum": 0.9}, "nesterov = true needs optimizer = 'sgd'"),
        ({"nesterov": True, "optimizer": "sgd"}, "a momentum above 0"),
        ({"warmup_epochs": 1.0}, "warmup_epochs needs schedule = 'cosine'"),
        ({"warmup_epochs": 3.0, "epochs": 2, "schedule": "cosine"}, "warmup_epochs = 3 is more than epochs = 2"),
        ({"minimum_learning_rate": 0.1}, "minimum_learning_rate = 0.1 is above learning_rate = 0.001"),
        ({"logit_adjustment": 1.0, "activation": "sigmoid"}, "logit_adjustment needs activation = 'softmax'"),
        ({"logit_adjustment": 1.0, "loss": "mean_squared_error"}, "loss = 'mean_squared_error'"),
        (
            {"teacher": TeacherSpec(models=("a",)), "activation": "sigmoid"},
            "teacher.models needs activation = 'softmax'",
        ),
        ({"teacher": TeacherSpec(models=("a",)), "class_weights": "balanced"}, "class_weights = 'balanced' contradict"),
        (
            {"teacher": TeacherSpec(models=("a",), views=1), "augmentation": AugmentationSpec(shift=0.1)},
            "have no effect. Set them to zero, or ask for more views",
        ),
        ({"heads": HEADS, "activation": "sigmoid"}, "heads needs activation = 'softmax'"),
        ({"heads": HEADS, "loss": "mean_squared_error"}, "Received: activation = 'softmax', loss = 'mean_squared"),
        ({"heads": HEADS, "class_weights": "balanced"}, "heads and class_weights = 'balanced' contradict"),
        ({"freeze": "all"}, "freeze needs pretrained weights"),
    ],
)
def test_settings_that_contradict_each_other_make_no_recipe(settings, message):
    with pytest.raises(ContradictionError, match=message):
        Recipe(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"samplewise_std": True},
        {"featurewise_std": True},
        {"zca": True},
        {"zca": True, "featurewise_center": True, "featurewise_std": True},
        {"rescale": "imagenet", "featurewise_center": True},
        {"rescale": "imagenet", "samplewise_center": True},
    ],
)
def test_preprocessing_that_contradicts_itself_cannot_be_made(settings):
    with pytest.raises(ContradictionError, match=r"preprocessing\."):
        PreprocessingSpec(**settings)


RANGES = [
    (Recipe, "learning_rate", 0.0, 1001.0),
    (Recipe, "batch_size", 0, 65537),
    (Recipe, "epochs", 0, 100_001),
    (Recipe, "dropout", -0.1, 0.96),
    (Recipe, "label_smoothing", -0.1, 0.91),
    (Recipe, "momentum", -0.1, 1.0),
    (Recipe, "weight_decay", -0.1, 10.1),
    (Recipe, "warmup_epochs", -1.0, 100_001.0),
    (Recipe, "plateau_factor", 0.0, 1.0),
    (Recipe, "plateau_patience", 0, 10_001),
    (Recipe, "minimum_learning_rate", -0.1, 1001.0),
    (Recipe, "ema", -0.1, 1.0),
    (Recipe, "average_last", -1, 1001),
    (Recipe, "logit_adjustment", -0.1, 10.1),
    (Recipe, "seed", -1, 2**31),
    (Recipe, "freeze", 0.0, 1.1),
    (PreprocessingSpec, "zca_epsilon", 0.0, 1001.0),
    (PreprocessingSpec, "size", 7, 1025),
    (AugmentationSpec, "shift", -0.1, 0.6),
    (AugmentationSpec, "rotation", -1.0, 181.0),
    (AugmentationSpec, "zoom", -0.1, 1.0),
    (AugmentationSpec, "brightness", -0.1, 1.1),
    (AugmentationSpec, "contrast", -0.1, 1.1),
    (AugmentationSpec, "blur", -0.1, 0.6),
    (AugmentationSpec, "noise", -0.1, 1.1),
    (AugmentationSpec, "erasing", -0.1, 1.1),
    (AugmentationSpec, "mixup", -0.1, 10.1),
    (AugmentationSpec, "cutmix", -0.1, 10.1),
    (TeacherSpec, "views", 0, 257),
    (TeacherSpec, "share", 0.0, 1.1),
    (TeacherSpec, "temperature", 0.0, 100.1),
]


@pytest.mark.parametrize(("owner", "name", "low", "high"), RANGES)
def test_a_number_outside_its_range_is_refused_by_name(owner, name, low, high):
    for value in (low, high, float("nan")):
        with pytest.raises(StudyFileError, match=rf"{name} must lie in .* Received: \S*{name} = {value}") as caught:
            owner(**{name: value})
        assert caught.value.path == (name,)
        assert not isinstance(caught.value, ContradictionError)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_size_below_a_backbones_least_is_refused_and_none_is_raised_to_it(name):
    least = BACKBONES[name].minimum_size
    recipe = Recipe(backbone=name)
    assert recipe.resolved(8).preprocessing.size == least
    assert recipe.resolved(least + 5).preprocessing.size == least + 5
    small = replace(recipe, preprocessing=PreprocessingSpec(size=least - 1))
    with pytest.raises(NetworkError, match=f"at least {least} pixels a side. Received: .*size = {least - 1}"):
        small.resolved(48)


def test_a_size_that_is_too_small_names_the_backbones_that_can_do_with_it():
    with pytest.raises(NetworkError, match="choose one of: mien_small, .*vgg16") as caught:
        Recipe(backbone="xception", preprocessing=PreprocessingSpec(size=48)).resolved(48)
    assert "inceptionv3" not in str(caught.value)


def test_one_teacher_is_not_named_twice():
    with pytest.raises(StudyFileError, match="names one twice: a.mien, a.mien"):
        TeacherSpec(models=("a.mien", "a.mien"))


def test_an_unknown_backbone_is_met_with_the_nearest_one():
    with pytest.raises(NetworkError, match="no backbone 'densnet121'. Did you mean 'densenet121'"):
        Recipe(backbone="densnet121").resolved(48)


def test_whether_the_training_images_must_be_seen_first():
    assert not PreprocessingSpec().needs_fit
    assert not PreprocessingSpec(samplewise_center=True).needs_fit
    assert PreprocessingSpec(featurewise_center=True).needs_fit


def test_whether_augmentation_does_anything():
    assert not AugmentationSpec().active
    assert AugmentationSpec(erasing=0.1).active
