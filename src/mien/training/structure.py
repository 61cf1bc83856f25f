"""The stages and blocks of a backbone, found in its Keras graph and in nothing else.

The operations of the graph are brought into one line. Repetitions are found in that line as in a text that shall be
written as briefly as possible, and preferably between places where the graph is narrow: there few tensors pass from
what was before to what comes after. What is not repeated is parted where branches with kernels have come together
again, and where maps become smaller.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from mien.study.structure import Block, NetworkStructure, Shape, Stage

_layers = keras.layers
_PADDING = (_layers.ZeroPadding2D, _layers.Cropping2D)
_POOLS = (_layers.MaxPooling2D, _layers.AveragePooling2D)
_GLOBAL_POOLS = (_layers.GlobalAveragePooling2D, _layers.GlobalMaxPooling2D)
_KERNELS = (_layers.Conv2D, _layers.DepthwiseConv2D, _layers.SeparableConv2D, _layers.Dense)
_NORMALISATIONS = (_layers.BatchNormalization, _layers.LayerNormalization)

# Said of a join that takes what entered the block, past its layers.
WITH_INPUT = " (with the input)"

# Maps whose side is below this share of the side before belong to another stage; an unpadded convolution, which takes
# a pixel or two off, begins none.
_SMALLER = 0.75

# A convolution of 1 by 1 that more than doubles the channels right before maps become smaller belongs to what makes
# them so: it opens an inverted bottleneck.
_WIDENS = 2

# The cost of writing the line down. An operation costs 1; a repetition costs its unit once, and this:
_REPETITION = 0.5
# Each end of a unit costs this for every tensor that passes there beside the first, so that blocks are not cut through.
_PASSING = 4.0
# And a little where units rather do not begin; this decides only between phases of the same repetition.
_STARTS_WITHIN = 0.1
_SAME_STAGE = 0.05


def network_structure(model: keras.Model) -> NetworkStructure:
    """Find the stages and blocks of a backbone.

    Args:
        model: what `build_backbone` made, or the layer "backbone" of a network.

    Returns:
        The stages. Their parameters add up to `model.count_params()`.
    """
    graph = _Graph(model)
    counted: set[int] = set()
    blocks = [[_block(graph, box, counted) for box in boxes] for boxes in _staged_boxes(graph)]
    return NetworkStructure(_map_shape(graph.input), tuple(Stage(tuple(stage)) for stage in blocks))


def stage_ends(model: keras.Model) -> list[keras.Operation]:
    """The last operation of each stage that `network_structure` finds, in the same order."""
    graph = _Graph(model)
    return [graph.operations[boxes[-1].end - 1] for boxes in _staged_boxes(graph)]


def multiply_adds(operation: keras.Operation) -> int:
    """Multiplications, each with its addition, that a layer needs for one image.

    Convolutions and dense layers count, as is the custom; normalisations, activations, pools and sums do not. A
    nested model counts as its layers.
    """
    if isinstance(operation, keras.Model):
        return sum(multiply_adds(inner) for inner in unnested(operation))
    if isinstance(operation, _layers.SeparableConv2D):
        places = math.prod(operation.output.shape[1:3])
        return int(places * (_size(operation.depthwise_kernel) + _size(operation.pointwise_kernel)))
    # Every weight of a kernel is used once at every place of the output.
    if isinstance(operation, _layers.DepthwiseConv2D | _layers.Conv2D):
        return int(math.prod(operation.output.shape[1:3]) * _size(operation.kernel))
    if isinstance(operation, _layers.Dense):
        return int(math.prod(operation.output.shape[1:-1]) * _size(operation.kernel))
    return 0


@dataclass(frozen=True)
class _Box:
    """Operations `start` to `end` (excluded) of the line, `times` times the same."""

    start: int
    end: int
    times: int


class _Graph:
    """A model's operations in one line, from the input's on.

    Attributes:
        input: the input's operation.
        operations: all the others.
        sources: for each, the positions of what it reads; -1 is the input.
        sizes: for each, height and width of the maps that it serves: its own, or those of what reads it further on.
            A branch that weighs channels counts to the maps that it weighs, padding to what needs it.
        tokens: for each, what must be equal in repetitions.
        widths: for each position, and for the end, how many tensors pass from before it to it or behind it.
    """

    def __init__(self, model: keras.Model) -> None:
        self.input, *self.operations = _in_line(model)
        producers = {
            id(tensor): position
            for position, operation in enumerate((self.input, *self.operations), start=-1)
            for tensor in _listed(operation.output)
        }
        self.sources = [[producers[id(tensor)] for tensor in _listed(op.input)] for op in self.operations]
        self.sizes = self._served_sizes()
        self.tokens = [
            (*_token(operation), len(sources), size)
            for operation, sources, size in zip(self.operations, self.sources, self.sizes, strict=True)
        ]
        self.widths = self._crossing()

    def _served_sizes(self) -> list[tuple[int, int]]:
        sizes = [
            (0, 0) if isinstance(operation, _PADDING) else _map_shape(operation)[:2] for operation in self.operations
        ]
        for reader in reversed(range(len(sizes))):
            for source in self.sources[reader]:
                if source >= 0:
                    sizes[source] = max(sizes[source], sizes[reader], key=math.prod)
        return sizes

    def _crossing(self) -> list[int]:
        last_reader = {source: reader for reader, sources in enumerate(self.sources) for source in sources}
        last_reader[len(self.operations) - 1] = len(self.operations)
        return [sum(made < place <= read for made, read in last_reader.items()) for place in range(len(self.sizes) + 1)]

    def is_smaller_from(self, place: int) -> bool:
        """Whether maps become smaller between the operation before `place` and the one there."""
        return 0 < place < len(self.sizes) and _is_smaller(self.sizes[place], self.sizes[place - 1])

    def ends_a_branching(self, place: int) -> bool:
        """Whether the operation brings maps of equal size together; a gate, which multiplies them, does not."""
        sources = self.sources[place]
        equal = all(source < 0 or self.sizes[source] == self.sizes[place] for source in sources)
        return len(sources) > 1 and equal and not isinstance(self.operations[place], _layers.Multiply)

    def kernels(self, start: int, end: int) -> list[keras.Layer]:
        """The convolutions and dense layers among these operations."""
        return [layer for op in self.operations[start:end] for layer in unnested(op) if isinstance(layer, _KERNELS)]

    def has_steps(self, start: int, end: int) -> bool:
        """Whether there is anything that a path would name."""
        return any(_steps(layer) for op in self.operations[start:end] for layer in unnested(op))

    def elements(self, place: int) -> int:
        """Numbers in the tensor that the operation before `place` gives."""
        return math.prod(_map_shape(self.operations[place - 1]))


def _in_line(model: keras.Model) -> list[keras.Operation]:
    """The operations, each right before it is needed, and of what is needed together the longest branch first.

    So a block stands together, even where the block after the next reads from it, too.
    """
    producers = {id(tensor): operation for operation in model.operations for tensor in _listed(operation.output)}
    sources: dict[int, list[keras.Operation]] = {}
    depths: dict[int, int] = {}
    for operation in model.operations:  # a topological order
        reads = [] if isinstance(operation, _layers.InputLayer) else _listed(operation.input)
        sources[id(operation)] = [producers[id(tensor)] for tensor in reads]
        depths[id(operation)] = 1 + max((depths[id(source)] for source in sources[id(operation)]), default=0)
    line: list[keras.Operation] = []
    done: set[int] = set()
    waiting = [producers[id(tensor)] for tensor in _listed(model.output)]
    while waiting:
        operation = waiting[-1]
        missing = [source for source in sources[id(operation)] if id(source) not in done]
        if missing:
            waiting.append(max(missing, key=lambda source: depths[id(source)]))
            continue
        waiting.pop()
        done.add(id(operation))
        line.append(operation)
    return line


def _repetitions(graph: _Graph) -> Iterator[tuple[int, int, int]]:
    """Part the line at the least cost: (start, end, times), where `times` = 1 means not repeated."""
    tokens, count = graph.tokens, len(graph.tokens)
    ends = [_cost_of_an_end(graph, place) for place in range(count + 1)]
    # For each place, the units that end there and are equal to what precedes them: length and how often.
    repeated: list[list[tuple[int, int]]] = [[] for _ in range(count + 1)]
    for length in range(1, count // 2 + 1):
        equal = 0
        for place in range(length, count):
            equal = equal + 1 if tokens[place] == tokens[place - length] else 0
            if equal >= length:
                repeated[place + 1].append((length, equal // length + 1))
    best: list[tuple[float, int, int]] = [(0.0, 0, 1)]  # cost up to a place; where its last part starts, and its times
    for place in range(1, count + 1):
        choice = (best[place - 1][0] + 1, place - 1, 1)
        for length, most in repeated[place]:
            cost_of_ends = ends[place] + ends[place - length]
            for times in range(2, most + 1):
                start = place - length * times
                cost_of_ends += ends[start]
                cost = best[start][0] + length + _REPETITION + cost_of_ends
                if cost < choice[0] and graph.kernels(start, start + length):
                    choice = (cost, start, times)
        best.append(choice)
    parts = []
    place = count
    while place > 0:
        _, start, times = best[place]
        parts.append((start, place, times))
        place = start
    yield from _joined(reversed(parts))


def _joined(parts: Iterator[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Parts of which those that are not repeated, and follow one another, are one."""
    open_start: int | None = None
    end = 0
    for start, stop, times in parts:
        if times > 1 and open_start is not None:
            yield open_start, start, 1
            open_start = None
        if times > 1:
            yield start, stop, times
        elif open_start is None:
            open_start = start
        end = stop
    if open_start is not None:
        yield open_start, end, 1


def _cost_of_an_end(graph: _Graph, place: int) -> float:
    """What it costs to end a repeated unit, or begin one, before the operation at `place`."""
    cost = _PASSING * (graph.widths[place] - 1)
    if place == len(graph.operations):
        return cost
    first = graph.operations[place]
    starts = isinstance(first, (*_KERNELS, *_POOLS, *_NORMALISATIONS, *_PADDING))
    after_padding = place > 0 and isinstance(graph.operations[place - 1], _PADDING)
    return cost + _STARTS_WITHIN * (not starts) + _SAME_STAGE * (not graph.is_smaller_from(place)) + after_padding


def _staged_boxes(graph: _Graph) -> list[list[_Box]]:
    """The boxes of each stage: one begins where what leaves a box is much smaller than what left the box before."""
    boxes = [box for start, end, times in _repetitions(graph) for box in _parted(graph, start, end, times)]
    stages: list[list[_Box]] = []
    size = (0, 0)
    for box in boxes:
        before, size = size, _map_shape(graph.operations[box.end - 1])[:2]
        if not stages or _is_smaller(size, before):
            stages.append([])
        stages[-1].append(box)
    return stages


def _parted(graph: _Graph, start: int, end: int, times: int) -> Iterator[_Box]:
    """The boxes of a part: a repetition is one, and the rest is parted where it is narrow and something ends."""
    if times > 1:
        yield _Box(start, end, times)
        return
    narrow = max(1, graph.widths[start], graph.widths[end])
    cuts = {start, end}
    for place in range(start + 1, end + 1):
        if graph.widths[place] > narrow:
            continue
        if graph.ends_a_branching(place - 1):
            opened = _opening(graph, max(cuts - {end}), place - 1, narrow)
            if graph.kernels(opened, place):
                cuts |= {opened, _after_activation(graph, place, end, narrow)}
        if graph.widths[place] == 1 and place < end and graph.is_smaller_from(place):
            cuts.add(_before_widening(graph, max(cuts - {end}), place, narrow))
    ordered = sorted(cuts)
    yield from (_Box(begin, stop, 1) for begin, stop in zip(ordered, ordered[1:], strict=False))


def _before_widening(graph: _Graph, begin: int, place: int, narrow: int) -> int:
    """The place from `begin` on, at most one kernel before `place`, where far less passes; else `place` itself."""
    best = place
    for earlier in range(place - 1, max(begin, 1) - 1, -1):
        kernels = graph.kernels(earlier, place)
        if len(kernels) > 1 or not all(map(_is_pointwise, kernels)) or not graph.kernels(0, earlier):
            break
        if graph.widths[earlier] <= narrow and _WIDENS * graph.elements(earlier) < graph.elements(place):
            best = max(best, earlier, key=lambda at: (-graph.elements(at), at))
    return best


def _opening(graph: _Graph, begin: int, join: int, narrow: int) -> int:
    """The place from `begin` on where the branches that a join brings together have parted."""
    fork = next(place for place in range(join, begin - 1, -1) if place == begin or graph.widths[place] <= narrow)
    # Where more than one tensor passes, blocks share what comes before their branches: nothing is cut off.
    if fork > begin and graph.widths[fork] > 1:
        return begin
    # Normalisations and activations alone are no block; they belong to the branches that they lead to.
    return fork if graph.has_steps(begin, fork) else begin


def _after_activation(graph: _Graph, place: int, end: int, narrow: int) -> int:
    """The place behind what merely follows a join, such as the activation of a sum."""
    follows = (_layers.Activation, _layers.ReLU, _layers.Dropout)
    while place < end and isinstance(graph.operations[place], follows) and graph.widths[place + 1] <= narrow:
        place += 1
    return place


def _block(graph: _Graph, box: _Box, counted: set[int]) -> Block:
    operations = graph.operations[box.start : box.end]
    parameters = 0
    for operation in operations:
        if isinstance(operation, keras.Layer) and id(operation) not in counted:
            counted.add(id(operation))
            parameters += operation.count_params()
    unit_end = box.start + (box.end - box.start) // box.times
    # Where several tensors enter, the latest is what the blocks before have led to.
    entering = max(
        source for place in range(box.start, unit_end) for source in graph.sources[place] if source < box.start
    )
    unit = _Unit(graph, box.start, unit_end)
    return Block(
        times=box.times,
        paths=tuple(unit.paths) or (tuple(_in_words(operation) for operation in operations),),
        joins=tuple(unit.joins.items()),
        input=_map_shape(graph.input if entering < 0 else graph.operations[entering]),
        output=_map_shape(operations[-1]),
        parameters=parameters,
        multiply_adds=sum(multiply_adds(operation) for operation in operations),
    )


class _Unit:
    """What a box says of one repetition.

    Attributes:
        paths: the chains between forks and joins, as far as they have steps. A chain behind a join begins with it, and
            a gate is a step of the chain that it weighs.
        joins: in words, those that no path begins with, and how many.
    """

    def __init__(self, graph: _Graph, start: int, end: int) -> None:
        self._graph, self._start = graph, start
        self._sources = {place: graph.sources[place] for place in range(start, end)}
        self._readers: dict[int, list[int]] = {place: [] for place in range(start, end)}
        for place, sources in self._sources.items():
            for source in sources:
                if source >= start:
                    self._readers[source].append(place)
        self._gates: dict[int, str] = {}
        gating = {place for place in range(start, end) for place in self._take_gate(place)}
        self.joins: Counter[str] = Counter()
        self.paths: list[tuple[str, ...]] = []
        for head in range(start, end):
            if head in gating or self._continues(head):
                continue
            steps = self._chain(head)
            join = ""
            if len(self._sources[head]) > 1:
                skips = any(source < start for source in self._sources[head])
                join = _in_words(graph.operations[head]) + (WITH_INPUT if skips else "")
            if steps:
                self.paths.append((join, *steps) if join else tuple(steps))
            elif join:
                self.joins[join] += 1

    def _continues(self, place: int) -> bool:
        sources = self._sources[place]
        return len(sources) == 1 and sources[0] >= self._start and len(self._readers[sources[0]]) == 1

    def _chain(self, head: int) -> list[str]:
        steps: list[str] = []
        place: int | None = head
        while place is not None:
            if place in self._gates:
                steps.append(self._gates[place])
            steps += [step for layer in unnested(self._graph.operations[place]) for step in _steps(layer)]
            following = self._readers[place]
            place = following[0] if len(following) == 1 and self._continues(following[0]) else None
        return steps

    def _take_gate(self, place: int) -> list[int]:
        """The chain by which channels are weighed at `place`, taken out of the branches; empty where there is none."""
        if not isinstance(self._graph.operations[place], _layers.Multiply) or len(self._sources[place]) != 2:
            return []
        weighed, chain = self._sources[place][0], [self._sources[place][1]]
        if weighed < self._start:
            return []
        while chain[-1] > weighed and len(self._sources[chain[-1]]) == 1:
            chain.append(self._sources[chain[-1]][0])
        if chain.pop() != weighed:
            return []
        layers = [layer for inside in chain for layer in unnested(self._graph.operations[inside])]
        widths = [layer.output.shape[-1] for layer in reversed(layers) if isinstance(layer, _KERNELS)]
        if not widths or not any(isinstance(layer, _GLOBAL_POOLS) for layer in layers):
            return []
        self._gates[place] = f"gate, {widths[0]}"
        self._sources[place] = [weighed]
        self._readers[weighed].remove(chain[-1])
        return chain


def _steps(layer: keras.Operation) -> list[str]:
    """A layer as a step of a path; none where it has neither kernel nor pool."""
    if isinstance(layer, _layers.SeparableConv2D):
        return [f"separable {_window(layer.kernel_size, layer.strides)}, {layer.filters}"]
    if isinstance(layer, _layers.DepthwiseConv2D):
        return [f"depthwise {_window(layer.kernel_size, layer.strides)}"]
    if isinstance(layer, _layers.Conv2D):
        depthwise = 1 < layer.groups == layer.filters
        window = _window(layer.kernel_size, layer.strides)
        return [f"depthwise {window}" if depthwise else f"{window}, {layer.filters}"]
    if isinstance(layer, _layers.Dense):
        # On maps, a dense layer is a convolution of 1 by 1.
        return [f"1×1, {layer.units}" if len(layer.output.shape) == 4 else f"dense, {layer.units}"]
    if isinstance(layer, _POOLS):
        kind = "max" if isinstance(layer, _layers.MaxPooling2D) else "mean"
        return [f"{kind} {_window(layer.pool_size, layer.strides)}"]
    if isinstance(layer, _GLOBAL_POOLS):
        return ["global max" if isinstance(layer, _layers.GlobalMaxPooling2D) else "global mean"]
    return []


def _is_pointwise(layer: keras.Layer) -> bool:
    return isinstance(layer, _layers.Dense) or (isinstance(layer, _layers.Conv2D) and set(layer.kernel_size) == {1})


def _window(size: Sequence[int], strides: Sequence[int]) -> str:
    return "×".join(map(str, size)) + (f"/{strides[0]}" if max(strides) > 1 else "")


def _in_words(operation: keras.Operation) -> str:
    """The kind of an operation in small letters: "add", "batch normalisation", "relu"."""
    if isinstance(operation, _layers.Activation):
        return str(operation.activation.__name__)
    if isinstance(operation, _layers.ReLU):
        return "relu"
    name = type(operation).__name__
    if name == "CustomScaleLayer":  # Keras' own, of InceptionResNetV2: the sum of its inputs, one of them scaled
        return "add, scaled"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return words.replace("ization", "isation")


def _token(operation: keras.Operation) -> tuple[Any, ...]:
    """What must be equal for two operations to count as the same; channels only where a layer chooses them."""
    inner = [_steps(layer) or [_in_words(layer)] for layer in unnested(operation)]
    return (type(operation).__name__, *(step for steps in inner for step in steps))


def unnested(operation: keras.Operation) -> list[keras.Operation]:
    """The layers of a nested model, or the operation itself."""
    if isinstance(operation, keras.Model):
        return [layer for inner in operation.layers for layer in unnested(inner)]
    return [operation]


def _map_shape(operation: keras.Operation) -> Shape:
    """Height, width and channels of an output; what is no map counts as one of a single pixel."""
    shape = operation.output.shape[1:]
    if len(shape) == 3:
        return shape[0], shape[1], shape[2]
    return 1, 1, math.prod(shape)


def _is_smaller(size: tuple[int, int], before: tuple[int, int]) -> bool:
    return max(size) < _SMALLER * max(before)


def _size(weight: Any) -> int:
    return math.prod(weight.shape)


def _listed(tensors: Any) -> list[Any]:
    return list(tensors) if isinstance(tensors, list | tuple) else [tensors]
