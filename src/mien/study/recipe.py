"""A recipe: everything about the network and its training that can change a result.

Recipes are frozen and checked when they are made. `Recipe.resolved` gives the form that names a run: defaults
filled in, and settings that have no effect (momentum under Adam, a plateau's patience under a constant rate)
taken out, so that two ways of writing the same run have one name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from mien.channels import Channels
from mien.errors import ContradictionError, NetworkError, StudyFileError
from mien.study.backbones import BACKBONES, backbone

Rescale = Literal["auto", "none", "unit", "signed", "imagenet"]
Statistics = Literal["scalar", "pixel"]
Activation = Literal["softmax", "relu", "sigmoid"]
Loss = Literal["categorical_crossentropy", "binary_crossentropy", "mean_squared_error"]
Optimizer = Literal["sgd", "rmsprop", "adam", "adamw"]
Schedule = Literal["constant", "plateau", "cosine"]
BatchStatistics = Literal["settled", "moving"]
Select = Literal["last", "best_loss", "best_accuracy", "best_balanced_accuracy"]
Precision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
Head = Literal["labels", "votes", "majority", "multi_target"]


def _refuse(message: str) -> None:
    raise ContradictionError(message)


def _check_range(name: str, value: float | None, low: float, high: float, *, open_low: bool = False) -> None:
    if value is None:
        return
    if not (low < value if open_low else low <= value) or not value <= high:
        bracket = "(" if open_low else "["
        raise StudyFileError(
            f"{name} must lie in {bracket}{low}, {high}]. Received: {name} = {value}.",
            path=(name.split(".")[-1],),
        )


@dataclass(frozen=True, kw_only=True)
class PreprocessingSpec:
    """What happens to raw pixels inside the network, in this order, before the backbone sees them.

    Attributes:
        rescale: "unit" maps 0..255 to 0..1, "signed" to -1..1, "none" leaves 0..255, "imagenet" does what the
            backbone's ImageNet weights were trained with; "auto" is "imagenet" with those weights, else "unit".
        samplewise_center: subtract each image's own mean.
        samplewise_std: divide each image by its own standard deviation; needs `samplewise_center`.
        featurewise_center: subtract the mean of the training role.
        featurewise_std: divide by the standard deviation of the training role; needs `featurewise_center`.
        statistics: whether feature-wise figures are one scalar for the data set, or one per pixel; in colour, one for
            each channel of it.
        zca: ZCA whitening (Bell & Sejnowski, 1997) fitted on the training role; needs `featurewise_center`,
            and refuses `featurewise_std`, since whitened pixels already have unit variance.
        zca_epsilon: added to the eigenvalues of the covariance (of pixels after rescaling) before its inverse root.
        size: side in pixels to which images are resized before the backbone; by default the data's own size,
            raised to the backbone's least size where that is larger.
        channels: "gray" turns colours gray before all else; by default all that the images have is used. "rgb" says so,
            and refuses gray images: a study can compare the two where its data are read in colour.
    """

    rescale: Rescale = "auto"
    samplewise_center: bool = False
    samplewise_std: bool = False
    featurewise_center: bool = False
    featurewise_std: bool = False
    statistics: Statistics = "scalar"
    zca: bool = False
    zca_epsilon: float = 1e-6
    size: int | None = None
    channels: Channels | None = None

    def __post_init__(self) -> None:
        if self.samplewise_std and not self.samplewise_center:
            _refuse("preprocessing.samplewise_std needs samplewise_center = true: a deviation is from a mean.")
        if self.featurewise_std and not self.featurewise_center:
            _refuse("preprocessing.featurewise_std needs featurewise_center = true: a deviation is from a mean.")
        if self.zca and not self.featurewise_center:
            _refuse("preprocessing.zca needs featurewise_center = true: whitening is defined on centred pixels.")
        if self.zca and self.featurewise_std:
            _refuse(
                "preprocessing.zca and featurewise_std contradict each other: whitened pixels already have "
                "unit variance. Set one of them to false."
            )
        if self.rescale == "imagenet" and (self.samplewise_center or self.featurewise_center):
            _refuse(
                "preprocessing.rescale = 'imagenet' contradicts sample-wise, feature-wise and ZCA preprocessing: "
                "the weights expect pixels scaled in their own way. Set those to false, or rescale to 'unit'."
            )
        _check_range("preprocessing.zca_epsilon", self.zca_epsilon, 0.0, 1e3, open_low=True)
        _check_range("preprocessing.size", self.size, 8, 1024)

    @property
    def needs_fit(self) -> bool:
        """Whether the training role must be seen once before the network can be used."""
        return self.featurewise_center or self.zca


@dataclass(frozen=True, kw_only=True)
class AugmentationSpec:
    """Random changes of the training images, as layers that are active in training only. Zero means off.

    Attributes:
        flip: mirror left and right with probability one half.
        shift: largest shift in either direction, as a share of the side.
        rotation: largest rotation, in degrees.
        zoom: largest change of scale, as a share (0.15: 0.85 to 1.15).
        brightness: largest change of brightness, as a share of the range 0..255.
        contrast: largest change of contrast about the image's mean, as a factor (0.2: 0.8 to 1.2).
        blur: largest standard deviation of a Gaussian blur, as a share of the side; half of the images stay sharp.
        noise: largest standard deviation of Gaussian noise, as a share of the range 0..255; half of the images stay
            without.
        erasing: probability of erasing a random rectangle (Zhong et al., 2020).
        mixup: alpha of mixup (Zhang et al., 2018).
        cutmix: alpha of CutMix (Yun et al., 2019). With `mixup` too, each image is blended by one of them, drawn with
            equal chance.
    """

    flip: bool = False
    shift: float = 0.0
    rotation: float = 0.0
    zoom: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    erasing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0

    def __post_init__(self) -> None:
        _check_range("augmentation.shift", self.shift, 0.0, 0.5)
        _check_range("augmentation.rotation", self.rotation, 0.0, 180.0)
        _check_range("augmentation.zoom", self.zoom, 0.0, 0.9)
        _check_range("augmentation.brightness", self.brightness, 0.0, 1.0)
        _check_range("augmentation.contrast", self.contrast, 0.0, 1.0)
        _check_range("augmentation.blur", self.blur, 0.0, 0.5)
        _check_range("augmentation.noise", self.noise, 0.0, 1.0)
        _check_range("augmentation.erasing", self.erasing, 0.0, 1.0)
        _check_range("augmentation.mixup", self.mixup, 0.0, 10.0)
        _check_range("augmentation.cutmix", self.cutmix, 0.0, 10.0)

    @property
    def moves(self) -> bool:
        """Whether pixels change their places: flip, shift, rotation, zoom."""
        return self != self.unmoved

    @property
    def unmoved(self) -> AugmentationSpec:
        """The same without them."""
        return replace(self, flip=False, shift=0.0, rotation=0.0, zoom=0.0)

    @property
    def active(self) -> bool:
        """Whether anything at all is changed at random."""
        return self != AugmentationSpec()


@dataclass(frozen=True, kw_only=True)
class TeacherSpec:
    """What the network learns from other networks beside its targets (Hinton et al., 2015).

    Each teacher answers once for some views of every training image: the image as it is, and changes of it by the
    recipe's flip, shift, rotation and zoom. The mean of the answers is stored, and training sees one of these views of
    each image an epoch, so that image and answer belong together. The other augmentation stays as it is. Of several
    heads, teachers teach the first.

    Attributes:
        models: bundles (a .mien file, a folder, or a name that is shipped with mien), folders of finished runs, and
            stores, which stand for all their finished runs; none for no teacher. A bundle counts by its content in the
            run's name, a run by its own name.
        views: how many views of each image are stored.
        share: of the teachers' answers in the loss; the targets have the rest.
        temperature: that the answers of teachers and network are softened by before they are compared. The part of the
            loss grows with its square, so that the share means the same.
        mirror: whether a teacher's answer for a view is the mean of those for it and for its mirror image.
    """

    models: tuple[str, ...] = ()
    views: int = 8
    share: float = 0.5
    temperature: float = 2.0
    mirror: bool = False

    def __post_init__(self) -> None:
        _check_range("teacher.views", self.views, 1, 256)
        _check_range("teacher.share", self.share, 0.0, 1.0, open_low=True)
        _check_range("teacher.temperature", self.temperature, 0.0, 100.0, open_low=True)
        if len(set(self.models)) < len(self.models):
            raise StudyFileError(f"teacher.models names one twice: {', '.join(self.models)}.", ("models",))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One network and its training.

    Attributes:
        backbone: a name that `mien models list` shows, or "file.py:function".
        weights: "none", "imagenet", or the path of a weight file. A file counts by its content in the run's name.
        freeze: "none" trains everything, "all" (or 1) trains the head alone, a number in (0, 1) freezes that share
            of the backbone's layers, from the input on. Frozen BatchNorm layers keep their statistics.
        heads: several heads on one backbone, trained together: kinds of targets (see [protocol]), of which the first is
            `protocol.targets`; none for one head. Each has a softmax and a loss of its own, and the loss is their mean.
            An image trains each head that it has a target for. Figures and reports are of the first head.
        activation: output of the head.
        loss: compared with the one-hot (or vote) targets.
        dropout: before the head's dense layer.
        label_smoothing: share of the target spread evenly over the classes.
        class_weights: "balanced" weighs each class by the inverse of its share of the training role, and each part of a
            target (under mixup, or with votes) by itself.
        logit_adjustment: strength of logit adjustment (Menon et al., 2021): in the loss, and nowhere else, this times
            the logarithm of each class's share of the training role is added to its logit, so that rare classes are
            answered as if all were as frequent; 1 is the strength that theory gives, 0: off. The losses of the
            history, also those of validation, are with it.
        optimizer: name of the optimizer.
        learning_rate: its first, or after warm-up its highest, learning rate.
        momentum: of sgd and rmsprop.
        nesterov: of sgd, with momentum.
        weight_decay: decoupled weight decay of adamw.
        schedule: "constant"; "plateau" lowers the rate when validation loss stalls; "cosine" to zero at the end.
        warmup_epochs: epochs over which a cosine schedule rises from zero; fractions are allowed.
        plateau_factor: what the rate is multiplied by on a plateau.
        plateau_patience: epochs without improvement before that.
        minimum_learning_rate: the plateau schedule stops lowering here.
        batch_size: images a step.
        epochs: passes over the training role.
        stop_patience: epochs without improvement of the validation loss after which training stops before its last
            epoch (early stopping); 0 for never. With `select = "best_loss"` the best of them is the result.
        select: which epoch's weights are the result: the last, or the best on the *validation* role. Balanced accuracy
            is the mean of the classes' recalls.
        batch_statistics: with what mean and variance batch normalisation layers are evaluated: "settled" estimates them
            afresh from 2,048 training images before each evaluation, "moving" takes the averages gathered in training.
            The record holds the figures under both.
        ema: decay of an exponential moving average of the weights (per step), which is then what is evaluated; 0: off.
        average_last: over how many of the last epochs the mean of their weights (of the averages, with `ema`) is what
            is evaluated, after every epoch; 0 and 1: off. It goes well with `batch_statistics = "settled"`.
        precision: Keras' numeric policy.
        seed: of weights, order and augmentation.
        preprocessing: see `PreprocessingSpec`.
        augmentation: see `AugmentationSpec`.
        teacher: see `TeacherSpec`.
    """

    backbone: str = "mien_small"
    weights: str = "none"
    freeze: Literal["none", "all"] | float = "none"
    heads: tuple[Head, ...] = ()
    activation: Activation = "softmax"
    loss: Loss = "categorical_crossentropy"
    dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    logit_adjustment: float = 0.0
    optimizer: Optimizer = "adamw"
    learning_rate: float = 0.001
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: Schedule = "constant"
    warmup_epochs: float = 0.0
    plateau_factor: float = 0.1
    plateau_patience: int = 3
    minimum_learning_rate: float = 0.0
    batch_size: int = 64
    epochs: int = 10
    stop_patience: int = 0
    select: Select = "last"
    batch_statistics: BatchStatistics = "settled"
    ema: float = 0.0
    average_last: int = 0
    precision: Precision = "float32"
    seed: int = 0
    preprocessing: PreprocessingSpec = field(default_factory=PreprocessingSpec)
    augmentation: AugmentationSpec = field(default_factory=AugmentationSpec)
    teacher: TeacherSpec = field(default_factory=TeacherSpec)

    def __post_init__(self) -> None:
        _check_range("learning_rate", self.learning_rate, 0.0, 1e3, open_low=True)
        _check_range("batch_size", self.batch_size, 1, 65536)
        _check_range("epochs", self.epochs, 1, 100_000)
        _check_range("dropout", self.dropout, 0.0, 0.95)
        _check_range("label_smoothing", self.label_smoothing, 0.0, 0.9)
        _check_range("momentum", self.momentum, 0.0, 0.9999)
        _check_range("weight_decay", self.weight_decay, 0.0, 10.0)
        _check_range("warmup_epochs", self.warmup_epochs, 0.0, 100_000.0)
        _check_range("plateau_factor", self.plateau_factor, 0.0, 0.999, open_low=True)
        _check_range("plateau_patience", self.plateau_patience, 1, 10_000)
        _check_range("minimum_learning_rate", self.minimum_learning_rate, 0.0, 1e3)
        _check_range("stop_patience", self.stop_patience, 0, 10_000)
        _check_range("ema", self.ema, 0.0, 0.99999)
        _check_range("average_last", self.average_last, 0, 1000)
        _check_range("logit_adjustment", self.logit_adjustment, 0.0, 10.0)
        _check_range("seed", self.seed, 0, 2**31 - 1)
        if isinstance(self.freeze, float):
            _check_range("freeze", self.freeze, 0.0, 1.0, open_low=True)
        if self.warmup_epochs > self.epochs:
            _refuse(f"warmup_epochs = {self.warmup_epochs:g} is more than epochs = {self.epochs}.")
        if self.minimum_learning_rate > self.learning_rate:
            _refuse(
                f"minimum_learning_rate = {self.minimum_learning_rate:g} is above "
                f"learning_rate = {self.learning_rate:g}."
            )
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            _refuse("nesterov = true needs optimizer = 'sgd' and a momentum above 0.")
        if self.warmup_epochs and self.schedule != "cosine":
            _refuse(f"warmup_epochs needs schedule = 'cosine'. Received: schedule = {self.schedule!r}.")
        if self.logit_adjustment and (self.activation, self.loss) != ("softmax", "categorical_crossentropy"):
            _refuse(
                "logit_adjustment needs activation = 'softmax' and loss = 'categorical_crossentropy'. Received: "
                f"activation = {self.activation!r}, loss = {self.loss!r}."
            )
        if self.heads:
            self._check_heads()
        if self.teacher.models:
            self._check_teacher()
        if self.freeze != "none" and self.weights == "none":
            _refuse("freeze needs pretrained weights: a frozen backbone of random weights learns nothing. Set weights.")

    def _check_heads(self) -> None:
        if len(self.heads) == 1:
            raise StudyFileError(
                f"heads = ['{self.heads[0]}'] is one head, which every network has. Leave heads out, and say "
                f"protocol.targets = '{self.heads[0]}'; or name a second one: heads = ['votes', 'labels'].",
                ("heads",),
            )
        if len(set(self.heads)) < len(self.heads):
            raise StudyFileError(f"heads names one twice: {', '.join(self.heads)}.", ("heads",))
        if (self.activation, self.loss) != ("softmax", "categorical_crossentropy"):
            _refuse(
                "heads needs activation = 'softmax' and loss = 'categorical_crossentropy'. Received: "
                f"activation = {self.activation!r}, loss = {self.loss!r}."
            )
        if self.class_weights != "none":
            _refuse(
                "heads and class_weights = 'balanced' contradict each other: an image has one weight, and a class in "
                "each head. logit_adjustment favours rare classes in each head by itself."
            )

    def _check_teacher(self) -> None:
        if self.activation != "softmax":
            _refuse(f"teacher.models needs activation = 'softmax'. Received: activation = {self.activation!r}.")
        if self.class_weights != "none":
            _refuse("teacher.models and class_weights = 'balanced' contradict each other: answers are no classes.")
        if self.teacher.views == 1 and self.augmentation.moves:
            _refuse(
                "With teacher.views = 1 an image is seen as it is and in no other way, so augmentation.flip, shift, "
                "rotation and zoom have no effect. Set them to zero, or ask for more views."
            )

    @property
    def needs_file(self) -> bool:
        """Whether `weights` is the path of a file."""
        return self.weights not in ("none", "imagenet")

    @property
    def prefix_stable(self) -> bool:
        """Whether the first epochs do not depend on how many follow, so that one run answers for fewer epochs."""
        return self.schedule != "cosine"

    def resolved(self, data_size: int, channels: Channels = "gray") -> Recipe:
        """This recipe with every default worked out.

        Args:
            data_size: side of the images, in pixels.
            channels: what the images have.

        Raises:
            NetworkError: there is no such backbone, `preprocessing.size` is below its least size, or colours are asked
                for and the images are gray.
        """
        wanted = self.preprocessing.channels
        if wanted == "rgb" and channels == "gray":
            raise NetworkError(
                "preprocessing.channels = 'rgb', and the images were read in gray. Have them read in colour: "
                "channels = 'rgb' in [data], or --channels rgb."
            )
        row = backbone(self.backbone)
        size = self.preprocessing.size
        if size is None:
            size = max(data_size, row.minimum_size)
        elif size < row.minimum_size:
            able = ", ".join(name for name, other in BACKBONES.items() if other.minimum_size <= size)
            raise NetworkError(
                f"{row.title} needs images of at least {row.minimum_size} pixels a side. "
                f"Received: preprocessing.size = {size}. Raise it, or choose one of: {able}."
            )
        rescale = self.preprocessing.rescale
        if rescale == "auto":
            rescale = "imagenet" if self.weights == "imagenet" else "unit"
        statistics = self.preprocessing.statistics if self.preprocessing.featurewise_center else "scalar"
        preprocessing = replace(
            self.preprocessing,
            size=size,
            rescale=rescale,
            # Whitening works on pixels, so it centres each pixel whatever is asked of the other statistics.
            statistics="pixel" if self.preprocessing.zca else statistics,
            zca_epsilon=self.preprocessing.zca_epsilon if self.preprocessing.zca else 1e-6,
            channels=None if wanted == channels else wanted,
        )
        unused: set[str] = set()
        if self.optimizer not in ("sgd", "rmsprop"):
            unused.add("momentum")
        if self.optimizer != "adamw":
            unused.add("weight_decay")
        if self.schedule != "plateau":
            unused |= {"plateau_factor", "plateau_patience", "minimum_learning_rate"}
        defaults: dict[str, Any] = {item.name: item.default for item in fields(Recipe) if item.name in unused}
        freeze = "all" if self.freeze == 1.0 else self.freeze
        if self.average_last == 1:
            defaults["average_last"] = 0  # the mean of one
        if row.norm_layers == 0 or freeze == "all":
            defaults["batch_statistics"] = "moving"  # there is nothing to settle
        teacher = self.teacher if self.teacher.models else TeacherSpec()
        if teacher.models and not self.augmentation.moves:
            teacher = replace(teacher, views=1)  # all would be the same
        return replace(self, preprocessing=preprocessing, freeze=freeze, teacher=teacher, **defaults)

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain values, nested as in a study file."""
        return asdict(self)
