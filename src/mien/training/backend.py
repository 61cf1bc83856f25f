"""The one door to what differs between Keras' backends: choice, threads, determinism, devices, precision.

Importing this module imports neither Keras nor a backend. Call `choose_backend` before any other module of
`mien.training` is imported: Keras reads its backend once, when it is imported.
"""

from __future__ import annotations

import importlib
import os
import platform
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import NetworkError
from mien.picked import Picked
from mien.study.backend import find_backend

_X86 = ("x86_64", "amd64")


def choose_backend() -> str | None:
    """Choose Keras' backend where the user has not (see `find_backend`).

    The backends' start-up messages are silenced, and TensorFlow's faster convolutions are asked for, unless the user
    has set these variables.

    Returns:
        The backend chosen here, by KERAS_BACKEND or by keras.json; None where Keras decides.

    Raises:
        MissingExtraError: Keras is not installed, or no backend is.
    """
    backend = find_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if platform.machine().lower() in _X86:
        # On Linux TensorFlow 2.21 takes oneDNN's operations only where the processor has instructions made for networks
        # (AVX512-VNNI, AMX), though AVX2 is enough: on the others training takes 1.6 (mien_small) to 4 (ResNet50V2)
        # times as long without them.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if backend is not None:
        os.environ["KERAS_BACKEND"] = backend
    return backend


def backend_name() -> str:
    """The backend in use: "tensorflow", "jax" or "torch"."""
    import keras

    return str(keras.backend.backend())


def configure(threads: int | None = None, deterministic: bool = True, gpus: int = 1) -> None:
    """Set up the process for training, before the first tensor is made.

    Args:
        threads: threads that one operation may use; None leaves it to the backend. TensorFlow only: JAX uses the
            cores that the process may run on.
        deterministic: ask for the same numbers in every run on the same machine (see `set_deterministic`).
        gpus: devices that share each batch; more than one on JAX only.

    Raises:
        NetworkError: TensorFlow has computed something already, and no longer takes another number of threads; or
            there are not so many devices, or the backend cannot share a batch among them.
    """
    if threads is not None and backend_name() == "tensorflow":
        import tensorflow as tf

        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise NetworkError(
                f"The number of threads must be set before TensorFlow's first operation. Received: threads = {threads}."
            ) from error
    if deterministic:
        set_deterministic()
    if gpus > 1:
        _share_batches(gpus)


def _share_batches(count: int) -> None:
    """Have each batch from now on computed by several devices, each with all weights and a part of the batch.

    The program is still one: losses, gradients and the statistics of batch normalisation are those of the whole batch.
    """
    import keras

    if backend_name() != "jax":
        raise NetworkError(
            f"Several GPUs for one run need Keras on JAX: KERAS_BACKEND=jax. Here it runs on {backend_name()}."
        )
    names = keras.distribution.list_devices()
    if len(names) < count:
        raise NetworkError(f"A run shall have {count} GPUs, and JAX sees {len(names)} here: {', '.join(names)}.")
    spread = keras.distribution.DataParallel(devices=names[:count], auto_shard_dataset=False)
    keras.distribution.set_distribution(spread)


def sharing_devices() -> list[str]:
    """The devices that share each batch; empty where one computes it alone."""
    import keras

    spread = keras.distribution.distribution()
    return [] if spread is None else [str(name) for name in spread.device_mesh.devices.flatten()]


def set_deterministic() -> None:
    """Make TensorFlow choose operations that give the same numbers in every run. JAX does so on a CPU anyway."""
    if backend_name() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def backend_versions() -> dict[str, str]:
    """Names and versions of Keras and of the backend in use, as in {"keras": "3.15.1", "tensorflow": "2.21.0"}."""
    import keras

    name = backend_name()
    module = importlib.import_module(name)
    versions = {"keras": str(keras.__version__), name: str(module.__version__)}
    if name == "jax":
        with suppress(PackageNotFoundError):
            versions["jaxlib"] = version("jaxlib")
    return versions


def device_names() -> list[str]:
    """The devices that the backend computes on, as it names them: ["cpu:0"] or ["gpu:0"]."""
    import keras

    if shared := sharing_devices():
        return shared
    accelerators = [str(name) for name in keras.distribution.list_devices() if not str(name).lower().startswith("cpu")]
    return accelerators or ["cpu:0"]


def jit_compile() -> bool | Literal["auto"]:
    """What `Model.compile` shall be told: XLA brought TensorFlow nothing on a CPU; JAX is built on it."""
    return False if backend_name() == "tensorflow" else "auto"


def in_batches(
    size: int,
    inputs: NDArray[Any] | Picked[Any],
    targets: NDArray[Any] | None = None,
    weights: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """What `Model.fit`, `evaluate` and `predict` shall be given to take samples in batches, in the order they are in.

    On TensorFlow that is a data set without autotuning. Of what Keras makes of arrays, TensorFlow tunes the batching in
    a thread of its own, which sleeps for 10 ms, then 20, 40 and so on; when it is over, every other epoch waited for
    that sleep (2.21, see benchmarks/README.md).

    Args:
        size: samples of a batch; the last one may have fewer.
        inputs: shape (N, ...).
        targets: shape (N, K), or None.
        weights: shape (N,), how much each sample counts, or None; only with targets.

    Returns:
        Keyword arguments.
    """
    if backend_name() != "tensorflow" and not isinstance(inputs, Picked):
        more = {} if targets is None else {"y": targets, "sample_weight": weights}
        return {"x": inputs, "batch_size": size, **more}
    columns = [values for values in (inputs, targets, weights) if values is not None]
    return taken_in_batches(size, len(inputs), lambda rows: tuple(column[rows] for column in columns))


def taken_in_batches(size: int, count: int, take: Callable[[slice], tuple[NDArray[Any], ...]]) -> dict[str, Any]:
    """As `in_batches`, where each batch is made when its turn comes, so that no more than that one is in memory.

    Args:
        size: samples of a batch; the last one may have fewer.
        count: samples in all.
        take: gives the columns of some samples, by their places; of none too.

    Returns:
        Keyword arguments.
    """
    if backend_name() != "tensorflow":
        import keras

        class Batches(keras.utils.PyDataset):
            """The batches, for Keras to ask for one after the other."""

            def __len__(self) -> int:
                return -(-count // size)

            def __getitem__(self, index: int) -> tuple[NDArray[Any], ...]:
                return take(slice(index * size, min((index + 1) * size, count)))

        return {"x": Batches()}
    import tensorflow as tf

    empty = take(slice(0, 0))
    options = tf.data.Options()
    options.autotune.enabled = False

    def batch(start: Any) -> Any:
        taken = tf.numpy_function(
            lambda place: take(slice(int(place), min(int(place) + size, count))),
            [start],
            [column.dtype for column in empty],
        )
        for tensor, column in zip(taken, empty, strict=True):
            tensor.set_shape((None, *column.shape[1:]))
        return tuple(taken)

    return {"x": tf.data.Dataset.range(0, count, size).map(batch).with_options(options)}


def answers_of(network: Any, inputs: NDArray[Any] | Picked[Any], size: int) -> NDArray[Any]:
    """A network's outputs for all samples.

    Where devices share batches, the last batch is filled up to what they can share, and what answers that is left out.

    Args:
        network: a Keras model of one input and one output.
        inputs: shape (N, ...).
        size: samples of a batch.

    Returns:
        Shape (N, ...).
    """
    missing = -len(inputs) % max(1, len(sharing_devices()))
    if missing:
        last = inputs[len(inputs) - 1 :]
        inputs = np.concatenate([inputs[:], np.repeat(last, missing, axis=0)])
    outputs: NDArray[Any] = network.predict(**in_batches(size, inputs), verbose=0)
    return outputs[: len(outputs) - missing]


def judged(network: Any, inputs: NDArray[Any] | Picked[Any], targets: NDArray[Any], size: int) -> dict[str, float]:
    """Loss and metrics of a compiled network on all samples, as `Model.evaluate` gives them.

    Args:
        network: a compiled Keras model.
        inputs: shape (N, ...).
        targets: shape (N, K).
        size: samples of a batch.

    Returns:
        By name; the loss is "loss".
    """
    if not sharing_devices():
        given: dict[str, float] = network.evaluate(**in_batches(size, inputs, targets), verbose=0, return_dict=True)
        return given
    # What fills up the last batch would count in Keras' own evaluation, whatever weight it is given.
    outputs = answers_of(network, inputs, size)
    network.reset_metrics()
    loss = float(network.compute_loss(y=targets, y_pred=outputs, training=False))
    figures = network.compute_metrics(None, targets, outputs)
    return {**{name: float(figure) for name, figure in figures.items()}, "loss": loss}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A pure function of tensors (and lists of them) as the backend's own graph, traced at its first call."""
    if backend_name() == "tensorflow":
        import tensorflow as tf

        graph: Callable[..., Any] = tf.function(function, autograph=False)
        return graph
    if backend_name() == "jax":
        import jax

        jitted: Callable[..., Any] = jax.jit(function)
        return jitted
    return function


def litert_function(content: bytes) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """A LiteRT model of one input and one output, as a function of a batch of any size; run by TensorFlow.

    Args:
        content: of a .tflite file.
    """
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the interpreter is to move to a package of its own
        interpreter = tf.lite.Interpreter(model_content=content)
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def answers(batch: NDArray[Any]) -> NDArray[Any]:
        interpreter.resize_tensor_input(source["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], batch.astype(source["dtype"]))
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(target["index"]))

    return answers


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Keras' numeric policy for the layers that are made inside the block.

    Args:
        policy: "float32", "mixed_float16" or "mixed_bfloat16".
    """
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
