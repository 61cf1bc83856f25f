"""A network in ONNX in two parts, of which the second goes on where the first ends.

An ONNX file is a protobuf message, and what is needed of that form is little: numbers of the fields of onnx.proto3, and
lengths. The package `onnx`, which would do the same, is as large as all that mien reads photos with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

# Of onnx.proto3: ModelProto, GraphProto, NodeProto, ValueInfoProto, TypeProto, TypeProto.Tensor and TensorShapeProto.
_GRAPH = 7
_NODES, _INITIALIZERS, _INPUTS, _OUTPUTS, _NAME = 1, 5, 11, 12, 2
_NODE_INPUT, _NODE_OUTPUT, _NODE_OPERATOR = 1, 2, 4
_VALUE_NAME, _VALUE_TYPE, _TENSOR, _SHAPE, _DIMENSION = 1, 2, 1, 2, 1
_FLOATS = b"\x08\x01"  # elem_type = FLOAT
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


class _Field(NamedTuple):
    number: int
    value: bytes
    whole: bytes  # with its number and length, as it stands in the message


def cut(model: bytes, operators: Sequence[str]) -> tuple[bytes, bytes] | None:
    """Divide a network that begins with a chain of these operators behind the last of them.

    Args:
        model: the bytes of an ONNX file, with its weights.
        operators: the types of its first nodes, such as ("Conv", "Relu"). Each takes what the one before it gives, and
            the last one gives floats with four dimensions.

    Returns:
        Two ONNX files: the first gives what the last of the operators gives, the second takes it and gives what the
        network gives. None for a network that begins in another way, or for bytes that are none.
    """
    try:
        fields = list(_fields(model))
        graph = list(_fields(next(field.value for field in fields if field.number == _GRAPH)))
        nodes = [field for field in graph if field.number == _NODES]
        given = _last_of_chain(nodes, operators)
    except (StopIteration, IndexError, ValueError):  # these bytes are no ONNX file; the runtime says so
        return None
    if given is None:
        return None

    def part(inputs: bytes, chosen: list[_Field], outputs: bytes) -> bytes:
        weights = _whole(graph, _NAME) + _whole(graph, _INITIALIZERS)
        content = b"".join(node.whole for node in chosen) + weights + inputs + outputs
        return b"".join(_field(_GRAPH, content) if field.number == _GRAPH else field.whole for field in fields)

    any_size = _field(_DIMENSION, b"") * 4
    tensor = _field(_TENSOR, _FLOATS + _field(_SHAPE, any_size))
    between = _field(_VALUE_NAME, given) + _field(_VALUE_TYPE, tensor)
    return (
        part(_whole(graph, _INPUTS), nodes[: len(operators)], _field(_OUTPUTS, between)),
        part(_field(_INPUTS, between), nodes[len(operators) :], _whole(graph, _OUTPUTS)),
    )


def _last_of_chain(nodes: list[_Field], operators: Sequence[str]) -> bytes | None:
    """What the last of the first nodes gives, when they are a chain of these operators and the others need no more."""
    chain, others = nodes[: len(operators)], nodes[len(operators) :]
    if [_values(node, _NODE_OPERATOR) for node in chain] != [[name.encode()] for name in operators]:
        return None
    given = [value for node in chain for value in _values(node, _NODE_OUTPUT)]
    taken = [_values(node, _NODE_INPUT)[0] for node in chain[1:]]
    needed = {value for node in others for value in _values(node, _NODE_INPUT)}
    return given[-1] if given[:-1] == taken and needed.intersection(given) == {given[-1]} else None


def _values(message: _Field, number: int) -> list[bytes]:
    return [field.value for field in _fields(message.value) if field.number == number]


def _whole(fields: list[_Field], number: int) -> bytes:
    return b"".join(field.whole for field in fields if field.number == number)


def _fields(message: bytes) -> Iterator[_Field]:
    """The fields of a protobuf message in their order; the value of one that is a number is left out."""
    place = 0
    while place < len(message):
        start = place
        tag, place = _number(message, place)
        kind = tag & 7
        if kind == _VARINT:
            _, end = _number(message, place)
            place = end
        elif kind == _BYTES:
            length, place = _number(message, place)
            end = place + length
        elif kind in (_FOUR_BYTES, _EIGHT_BYTES):
            end = place + (4 if kind == _FOUR_BYTES else 8)
        else:
            raise ValueError(f"no field has the kind {kind}")
        if end > len(message):
            raise ValueError("the message ends within a field")
        yield _Field(tag >> 3, message[place:end], message[start:end])
        place = end


def _number(message: bytes, place: int) -> tuple[int, int]:
    """The number that begins at a place, seven bits in a byte and the lowest first, and the place behind it."""
    number = shift = 0
    while True:
        byte = message[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place


def _field(number: int, value: bytes) -> bytes:
    """A field of bytes, with its number and length."""
    return _as_number(number << 3 | _BYTES) + _as_number(len(value)) + value


def _as_number(number: int) -> bytes:
    *front, last = [number >> shift & 0x7F for shift in range(0, max(1, number.bit_length()), 7)]
    return bytes([*(byte | 0x80 for byte in front), last])
