"""A recipe as a Keras network: raw faces in, probabilities out, with everything between inside.

A network is a chain of layers: "faces", the augmentation, the preprocessing, "backbone" (one nested model),
"pool", "dropout", "head" (a dense layer, linear) and "activation". The functions that cut a network in parts
lead the chain through the same layers again, so the parts share their weights with the whole. Several heads are one
dense layer whose columns stand side by side.
"""

from __future__ import annotations

import importlib
import math
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mien.channels import Channels, count_of
from mien.errors import MienError, NetworkError
from mien.others import told
from mien.randomness import derived_seed
from mien.study.backbones import OTHER_BACKBONES, Backbone, backbone
from mien.study.recipe import Recipe
from mien.training.augmentation import RandomChange, augment
from mien.training.backend import jit_compile, precision
from mien.training.face_mobilenet import load_face_identity
from mien.training.heads import HeadSoftmax, sizes_of
from mien.training.losses import loss_of, metrics_of
from mien.training.preprocessing import Statistics, preprocess
from mien.training.structure import network_structure, unnested

_WITH_KERNEL = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.Dense,
)


def build_network(
    recipe: Recipe,
    *,
    image_size: tuple[int, int],
    classes: int | Sequence[int],
    statistics: Statistics | None,
    channels: Channels = "gray",
) -> keras.Model:
    """Build the network of a recipe, untrained or with pretrained weights in its backbone.

    The same recipe gives the same weights: Python's, NumPy's and the backend's random state are seeded here.

    Args:
        recipe: a resolved recipe.
        image_size: height and width of the images, in pixels.
        classes: columns of the output; of each head, where the recipe has several.
        statistics: what `fit_statistics` returned for the recipe's preprocessing; None when it needs none.
        channels: what the images have.

    Returns:
        A model from "faces", shape (N, H, W, 1), or (N, H, W, 3) in colour (RGB), raw pixels 0..255 of any numeric
        type, to outputs of shape (N, classes), float32.

    Raises:
        NetworkError: the recipe is not resolved, its preprocessing is not fitted, or its weights cannot be loaded.
    """
    row = backbone(recipe.backbone)
    spec = recipe.preprocessing
    keras.utils.set_random_seed(derived_seed(recipe.seed, "weights", OTHER_BACKBONES.identity(recipe.backbone)))
    faces = keras.Input((*image_size, count_of(channels)), dtype="float32", name="faces")
    changes = recipe.augmentation
    if recipe.teacher.models:  # what teachers have answered for has been moved already
        changes = changes.unmoved
    x = augment(faces, changes, recipe.seed)
    x = preprocess(x, spec, statistics, scaling=row.scaling, channels=row.channels)
    with precision(recipe.precision):
        body = build_backbone(
            row, x.shape[1:], weights=recipe.weights, own_scaling=row.scaling == "none" and spec.rescale == "imagenet"
        )
    _freeze(body, recipe.freeze)
    # A backbone that is frozen whole has nothing to learn from its own dropout, and its features can be kept.
    x = body(x, training=False) if recipe.freeze == "all" else body(x)
    x = keras.layers.GlobalAveragePooling2D(dtype="float32", name="pool")(x)
    x = keras.layers.Dropout(recipe.dropout, seed=derived_seed(recipe.seed, "dropout"), name="dropout")(x)
    sizes = (classes,) if isinstance(classes, int) else tuple(classes)
    x = keras.layers.Dense(sum(sizes), dtype="float32", name="head")(x)
    if len(sizes) > 1:
        x = HeadSoftmax(sizes, dtype="float32", name="activation")(x)
    else:
        x = keras.layers.Activation(recipe.activation, dtype="float32", name="activation")(x)
    return keras.Model(faces, x, name=re.sub(r"\W+", "_", OTHER_BACKBONES.title(recipe.backbone)))


def build_backbone(
    row: Backbone, input_shape: tuple[int, int, int], *, weights: str = "none", own_scaling: bool = False
) -> keras.Model:
    """Build one row of the table, without a classifier.

    Args:
        row: the row.
        input_shape: height, width and channels.
        weights: "none", "imagenet", or the path of a weight file (see `load_backbone_weights`).
        own_scaling: whether a family that can scale pixels 0..255 inside its graph (those whose `scaling` is "none")
            shall do so. Off, the input must be scaled already.

    Returns:
        A model named "backbone" from images to maps of shape (N, height, width, channels); features that are pooled
        already are maps of one pixel.

    Raises:
        NetworkError: the weights cannot be had or do not fit, the input is too small, or what was built is no backbone.
    """
    if min(input_shape[:2]) < row.minimum_size:
        raise NetworkError(
            f"{row.title} needs images of at least {row.minimum_size} pixels a side. Received: {input_shape[:2]}."
        )
    if weights == "imagenet" and not row.has_imagenet_weights:
        raise NetworkError(f"There are no ImageNet weights for {row.title}. Set weights to 'none' or to a weight file.")
    options: dict[str, Any] = {}
    if row.has_imagenet_weights:
        options = {"include_top": False, "weights": "imagenet" if weights == "imagenet" else None}
        if row.scaling == "none":
            options["include_preprocessing"] = own_scaling
    graph = _graph_of(row, input_shape, options, weights)
    if row.has_imagenet_weights and not own_scaling:
        graph = _behind_scaling(graph)
    maps = graph.output
    if len(maps.shape) == 2:  # features that are pooled already: maps of a single pixel
        maps = keras.layers.Reshape((1, 1, maps.shape[1]), name="one_pixel")(maps)
    model = keras.Model(graph.input, maps, name="backbone")
    if weights not in ("none", "imagenet"):
        load_backbone_weights(model, Path(weights))
    return model


def _graph_of(row: Backbone, input_shape: tuple[int, int, int], options: dict[str, Any], weights: str) -> keras.Model:
    """What the row's function gives, and that it is what a backbone is."""
    build = row.builder
    if isinstance(build, str):
        module, _, function = build.partition(":")
        build = getattr(importlib.import_module(module), function)
    try:
        graph = build(input_shape=input_shape, **options) if options else build(input_shape)
    except MienError:
        raise
    except (Exception, SystemExit) as error:  # a function of the user's can raise either
        # Keras reports a failed download as a bare Exception only in old versions; urllib's errors are OSErrors.
        raise NetworkError(
            f"{row.title}{'' if weights == 'none' else f' with weights = {weights!r}'} cannot be built for images of "
            f"{_by(input_shape)}: {told(error)}"
        ) from error
    _check_graph(row, graph, input_shape)
    return graph


def _behind_scaling(graph: keras.Model) -> keras.Model:
    """A graph without the scaling that it begins with: EfficientNet has no argument for that, and mien does it."""
    first = next(
        layer
        for layer in graph.layers
        if not isinstance(layer, keras.layers.InputLayer | keras.layers.Rescaling | keras.layers.Normalization)
    )
    if first is graph.layers[1]:
        return graph
    rest = keras.Model(first.input, graph.output)
    # Layers of its own: those of the rest are connected twice, in the whole graph too.
    alone = keras.models.clone_model(rest)
    alone.set_weights(rest.get_weights())
    return alone


def _check_graph(row: Backbone, graph: Any, input_shape: tuple[int, int, int]) -> None:
    """Refuse what is no backbone: for a network of the user's own, here is where a slip is met first."""
    wanted = (
        f"{row.title}: expected a keras.Model from images ({_by(input_shape)}) to maps (N, height, width, channels) or "
        "features (N, channels), of layers of Keras."
    )
    if not isinstance(graph, keras.Model) or not graph.built or not getattr(graph, "inputs", None):
        raise NetworkError(
            f"{wanted} Received: {type(graph).__name__}. The function returns keras.Model(image, features), made from "
            "an image = keras.Input(input_shape)."
        )
    shapes = [tuple(tensor.shape[1:]) for tensor in (*graph.inputs, *graph.outputs)]
    if len(graph.inputs) != 1 or len(graph.outputs) != 1 or shapes[0] != tuple(input_shape):
        inputs, outputs = shapes[: len(graph.inputs)], shapes[len(graph.inputs) :]
        raise NetworkError(
            f"{wanted} Received: inputs {', '.join(map(_by, inputs))}, outputs {', '.join(map(_by, outputs))}."
        )
    if len(shapes[1]) not in (1, 3) or not all(shapes[1]):
        raise NetworkError(f"{wanted} Received: an output of {_by(shapes[1])}.")
    strange = next((layer for layer in unnested(graph) if not _is_readable_anywhere(layer)), None)
    if strange is not None:
        raise NetworkError(
            f"{wanted} Received: {strange.name}, a {type(strange).__name__}. A network is kept as a file, which must "
            "be readable without the code that made it: write that with layers and operations (keras.ops) of Keras."
        )


def _is_readable_anywhere(layer: keras.Operation) -> bool:
    """Whether a saved layer is read wherever mien is: one of Keras, or of mien itself."""
    return type(layer).__module__.split(".")[0] in ("keras", "mien") and not isinstance(layer, keras.layers.Lambda)


def _by(shape: tuple[int | None, ...]) -> str:
    return "×".join("any" if side is None else str(side) for side in shape) or "a single number"


def load_backbone_weights(model: keras.Model, path: Path) -> None:
    """Load pretrained weights into a backbone.

    Args:
        model: what `build_backbone` made.
        path: a .keras file of a whole network of mien or of a backbone; a .weights.h5 file of a backbone
            (`network.get_layer("backbone").save_weights(path)`); or, for face_mobilenet, the .npz file of its origin.

    Raises:
        NetworkError: the file is missing, of no known kind, damaged, or holds other weights.
    """
    if not path.is_file():
        raise NetworkError(f"There is no weight file {path}. Set weights to 'none', 'imagenet' or an existing file.")
    try:
        if path.name.endswith(".weights.h5"):
            with warnings.catch_warnings():
                # Keras only warns of layers that a file lacks, and leaves them random.
                warnings.simplefilter("error", UserWarning)
                model.load_weights(path)
        elif path.suffix == ".keras":
            saved = keras.saving.load_model(path, compile=False)
            source = next((layer for layer in saved.layers if layer.name == "backbone"), saved)
            model.set_weights(source.get_weights())
        elif path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                load_face_identity(model, {name: file[name] for name in file.files}, path)
        else:
            raise NetworkError(f"Expected weights in a .keras, .weights.h5 or .npz file. Received: {path}.")
    except (OSError, ValueError, KeyError, TypeError, UserWarning, zipfile.BadZipFile) as error:
        raise NetworkError(
            f"The weights of {path} do not fit this backbone, or the file is damaged: {error}"
        ) from error


def _freeze(body: keras.Model, freeze: str | float) -> None:
    """Freeze all layers or the first ones; Keras runs a frozen BatchNormalization with its stored statistics."""
    if freeze == "all":
        body.trainable = False
    elif not isinstance(freeze, str):
        for layer in body.layers[: round(freeze * len(body.layers))]:
            layer.trainable = False


def _lead_through(x: keras.KerasTensor, layers: Iterable[keras.layers.Layer]) -> keras.KerasTensor:
    for layer in layers:
        x = layer(x)
    return x


def layer_chain(model: keras.Model, first: str | None, last: str) -> list[keras.layers.Layer]:
    """The layers from `first` (None: the beginning) to `last`, both included, without input and augmentation."""
    names = [layer.name for layer in model.layers]
    start = 0 if first is None else names.index(first)
    return [
        layer
        for layer in model.layers[start : names.index(last) + 1]
        if not isinstance(layer, keras.layers.InputLayer | RandomChange)
    ]


def feature_extractor(model: keras.Model) -> keras.Model:
    """The part of a network from raw faces to pooled features, without augmentation, sharing its weights.

    Args:
        model: what `build_network` made.

    Returns:
        A model from "faces", (N, H, W, C), to features of shape (N, D), float32.
    """
    faces = keras.Input(model.input_shape[1:], dtype="float32", name="faces")
    return keras.Model(faces, _lead_through(faces, layer_chain(model, None, "pool")), name="features")


def head_model(model: keras.Model) -> keras.Model:
    """The part of a network from pooled features to its output, sharing its weights: to train on cached features.

    Args:
        model: what `build_network` made.

    Returns:
        A model from "features", shape (N, D), float32, to outputs of shape (N, classes).
    """
    features = keras.Input((model.get_layer("head").kernel.shape[0],), dtype="float32", name="features")
    return keras.Model(
        features, _lead_through(features, layer_chain(model, "dropout", "activation")), name="head_model"
    )


def single_head(model: keras.Model, place: slice) -> keras.Model:
    """One head of a network with several, as a network with one.

    Args:
        model: what `build_network` made.
        place: the columns of the head.

    Returns:
        A model from "faces" to probabilities of shape (N, classes), without augmentation. It shares the weights of all
        but the head, of which it has a copy.
    """
    kernel, bias = model.get_layer("head").get_weights()
    head = keras.layers.Dense(bias[place].size, dtype="float32", name="head")
    faces = keras.Input(model.input_shape[1:], dtype="float32", name="faces")
    logits = head(_lead_through(faces, layer_chain(model, None, "dropout")))
    head.set_weights([kernel[:, place], bias[place]])
    answers = keras.layers.Activation("softmax", dtype="float32", name="activation")(logits)
    return keras.Model(faces, answers, name=model.name)


def logits_model(model: keras.Model, *, maps: bool = False, mirror: bool = False) -> keras.Model:
    """A network without its augmentation, dropout and activation, sharing its weights: to be exported.

    Args:
        model: what `build_network` made.
        maps: whether to give the last feature maps as a second output, for class activation maps.
        mirror: whether the maps are the mean of those of the face and of its mirror image, the latter mirrored back;
            so the logits are the mean of both, and a face and its mirror image get one answer.

    Returns:
        A model from "faces", (N, H, W, C), to logits of shape (N, classes), float32; with `maps`, to the logits and
        the maps of shape (N, h, w, D). The logit of class c is the maps' mean times `head.kernel[:, c]` plus its bias.
    """
    faces = keras.Input(model.input_shape[1:], dtype="float32", name="faces")
    to_maps = layer_chain(model, None, "backbone")
    feature_maps = _mirrored_maps(faces, to_maps) if mirror else _lead_through(faces, to_maps)
    logits = _lead_through(feature_maps, (model.get_layer("pool"), model.get_layer("head")))
    return keras.Model(faces, [logits, feature_maps] if maps else logits, name="logits")


def _mirrored_maps(faces: keras.KerasTensor, layers: Iterable[keras.layers.Layer]) -> keras.KerasTensor:
    # One batch of both, so that the graph and the weights in it are there once.
    maps = _lead_through(keras.ops.concatenate([faces, faces[:, :, ::-1]], axis=0), layers)
    pairs = keras.ops.reshape(maps, (2, -1, *maps.shape[1:]))
    return (pairs[0] + pairs[1][:, :, ::-1]) / 2


def kernel_depth(model: keras.Model) -> int:
    """The layers with a kernel (convolutions and dense layers) of a model, nested ones included."""
    return sum(
        kernel_depth(layer) if isinstance(layer, keras.Model) else isinstance(layer, _WITH_KERNEL)
        for layer in model.layers
    )


def describe_network(model: keras.Model) -> dict[str, Any]:
    """Plain figures of a network, for a run's record.

    Args:
        model: what `build_network` made.

    Returns:
        "parameters" of backbone and head (fitted preprocessing is not counted), those that are "trainable",
        "depth" in layers with a kernel (the head included), "image_size" (height, width) and "backbone_size"
        (height, width), in pixels, and the backbone's "structure" (see `NetworkStructure.to_json`).
    """
    body, head = model.get_layer("backbone"), model.get_layer("head")
    return {
        "parameters": body.count_params() + head.count_params(),
        "trainable": sum(math.prod(weight.shape) for weight in model.trainable_weights),
        "depth": kernel_depth(model),
        "image_size": tuple(model.input_shape[1:3]),
        "backbone_size": tuple(body.input_shape[1:3]),
        "structure": network_structure(body).to_json(),
    }


def compile_network(model: keras.Model, recipe: Recipe, steps_per_epoch: int, offsets: Sequence[float] = ()) -> None:
    """Give a network the optimizer, loss and metric of its recipe.

    Targets are one-hot or a distribution, shape (N, classes), float; of several heads side by side, with zeros for a
    head that an image has no target for. The metric is called "accuracy": the share of images whose largest output is
    where the target is largest, of the first head. Under the schedules "constant" and "plateau",
    `model.optimizer.learning_rate` can be assigned to.

    Args:
        model: what `build_network` or `head_model` made.
        recipe: the resolved recipe it was made from.
        steps_per_epoch: optimizer steps an epoch, for the cosine schedule.
        offsets: of the logits in the loss (see `logit_offsets`).
    """
    model.compile(
        optimizer=_optimizer(recipe, steps_per_epoch),
        loss=loss_of(recipe, offsets, sizes_of(model)),
        metrics=metrics_of(recipe, sizes_of(model)[0]),
        jit_compile=jit_compile(),
    )


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    options: dict[str, Any] = {"learning_rate": _learning_rate(recipe, steps_per_epoch)}
    if recipe.ema:
        options |= {"use_ema": True, "ema_momentum": recipe.ema}
    optimizer: keras.optimizers.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=recipe.momentum, nesterov=recipe.nesterov, **options)
    elif recipe.optimizer == "rmsprop":
        optimizer = keras.optimizers.RMSprop(momentum=recipe.momentum, **options)
    elif recipe.optimizer == "adam":
        optimizer = keras.optimizers.Adam(**options)
    else:
        optimizer = keras.optimizers.AdamW(weight_decay=recipe.weight_decay, **options)
    # `fit` calls this at its end and would leave the averages in the network, so that the next epoch would start from
    # them. The averages are wanted for evaluation alone: see `averaged_weights`.
    optimizer.finalize_variable_values = lambda var_list: None
    if recipe.precision == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def _learning_rate(recipe: Recipe, steps_per_epoch: int) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if recipe.schedule != "cosine":
        return recipe.learning_rate
    steps = recipe.epochs * steps_per_epoch
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    if not warmup:
        return keras.optimizers.schedules.CosineDecay(recipe.learning_rate, decay_steps=steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warmup), warmup_target=recipe.learning_rate, warmup_steps=warmup
    )


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Put the exponential moving averages in the place of a network's weights, for the length of the block.

    Without `Recipe.ema`, or before the first step, nothing is exchanged. Statistics of BatchNormalization are
    averages already and stay.

    Args:
        model: a network that `compile_network` has compiled.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema or int(optimizer.iterations) == 0:
        yield
        return
    trained = [keras.ops.copy(weight) for weight in model.trainable_variables]
    type(optimizer).finalize_variable_values(optimizer, model.trainable_variables)
    for weight in model.trainable_variables:
        weight.assign(
            keras.ops.copy(weight)
        )  # JAX would share memory with the averages, and give it away with the weight
    try:
        yield
    finally:
        for weight, value in zip(model.trainable_variables, trained, strict=True):
            weight.assign(value)
