"""How a backbone is built: its stages and blocks as plain figures, to be drawn and compared without Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Block:
    """Layers between two places where a network is narrow, with their repetitions folded.

    Attributes:
        times: how often these layers follow one another, from 1 on.
        paths: the branches, each as its steps in words ("3×3/2, 64"); layers without a kernel or a pool are left out.
        joins: where branches meet: the operation in words and its number ("add", 1).
        input: height, width and channels of what enters the first repetition.
        output: likewise, of what leaves the last one.
        parameters: of all repetitions.
        multiply_adds: for one image, of all repetitions: convolutions and dense layers alone, as is the custom.
    """

    times: int
    paths: tuple[tuple[str, ...], ...]
    joins: tuple[tuple[str, int], ...]
    input: Shape
    output: Shape
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Stage:
    """Blocks, one after the other, whose maps have about the same size; the first may halve it."""

    blocks: tuple[Block, ...]

    @property
    def output(self) -> Shape:
        """Height, width and channels of what leaves the stage."""
        return self.blocks[-1].output

    @property
    def parameters(self) -> int:
        """Of all its blocks."""
        return sum(block.parameters for block in self.blocks)

    @property
    def multiply_adds(self) -> int:
        """Of all its blocks, for one image."""
        return sum(block.multiply_adds for block in self.blocks)


@dataclass(frozen=True)
class NetworkStructure:
    """A backbone by stages.

    Attributes:
        input: height, width and channels of its input.
        stages: in the order in which an image passes them.
    """

    input: Shape
    stages: tuple[Stage, ...]

    @property
    def parameters(self) -> int:
        """Of all stages: of the backbone without a head."""
        return sum(stage.parameters for stage in self.stages)

    @property
    def multiply_adds(self) -> int:
        """Of all stages, for one image."""
        return sum(stage.multiply_adds for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """The structure as plain values."""
        return {
            "input": list(self.input),
            "stages": [[_block_to_json(block) for block in stage.blocks] for stage in self.stages],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The structure that `to_json` gave.

        Raises:
            LookupError, TypeError, ValueError: a key is missing, or a value is of another kind.
        """
        stages = tuple(Stage(tuple(_block_from_json(block) for block in blocks)) for blocks in values["stages"])
        return cls(_shape(values["input"]), stages)


def _block_to_json(block: Block) -> dict[str, Any]:
    return {
        "times": block.times,
        "paths": [list(path) for path in block.paths],
        "joins": [list(join) for join in block.joins],
        "input": list(block.input),
        "output": list(block.output),
        "parameters": block.parameters,
        "multiply_adds": block.multiply_adds,
    }


def _block_from_json(values: Mapping[str, Any]) -> Block:
    return Block(
        times=int(values["times"]),
        paths=tuple(tuple(str(step) for step in path) for path in values["paths"]),
        joins=tuple((str(name), int(count)) for name, count in values["joins"]),
        input=_shape(values["input"]),
        output=_shape(values["output"]),
        parameters=int(values["parameters"]),
        multiply_adds=int(values["multiply_adds"]),
    )


def _shape(values: Any) -> Shape:
    height, width, channels = (int(value) for value in values)
    return height, width, channels
