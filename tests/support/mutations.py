"""Damaged copies of good files, each decided by a seed: for tests, and for benchmarks/faults_long.py."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from typing import Any

# What stands where another value was: of each type, of each sign, too large, and of the shapes that surprise.
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**63, -(2**70), 0.5, 1e308, "", "x", "é\u0000\ud7ff", "../../etc/passwd", "1" * 400),
    *([], [[]], {}, {"": None}, [1, "2", None], {"a": {"b": []}}),
)
# Written into JSON as they are.
_RAW = ("NaN", "Infinity", "-Infinity", "1e999", "[" * 3000, '{"a":' * 2000, "\\", "", "1" * 5000, '"\\ud800"')


def mutated_bytes(content: bytes, random_: random.Random) -> bytes:
    """A file with bytes changed, cut out, repeated, filled or swapped; one to eight times."""
    data = bytearray(content)
    for _ in range(random_.choice((1, 1, 2, 4, 8))):
        if not data:
            break
        at = random_.randrange(len(data))
        length = min(len(data) - at, random_.choice((1, 2, 4, 16, 256)))
        match random_.randrange(7):
            case 0:
                data[at] ^= 1 << random_.randrange(8)
            case 1:
                data[at : at + length] = random_.randbytes(length)
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length] * random_.choice((1, 3, 50))
            case 4:
                data[at : at + length] = random_.choice((b"\0", b"\xff", b"\x7f", b"\x80")) * length
            case 5:
                del data[at:]
            case 6:  # the first bytes, where headers are
                place = random_.randrange(min(len(data), 64))
                data[place] = random_.randrange(256)
    return bytes(data)


def mutated_json(value: Any, random_: random.Random) -> str:
    """A JSON text in which one or two places hold something else, are missing, or are no JSON at all."""
    text = json.loads(json.dumps(value))
    for _ in range(random_.choice((1, 1, 2))):
        places = list(_places(text))
        if not places:
            break
        holder, key = random_.choice(places)
        match random_.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[random_.choice(("schema", "id", "x", "", "a.b"))] = deepcopy(random_.choice(VALUES))
            case _:
                holder[key] = deepcopy(random_.choice(VALUES))
    written = json.dumps(text)
    if random_.randrange(6) == 0:
        commas = [place for place, letter in enumerate(written) if letter in ",:"]
        if commas:
            place = random_.choice(commas)
            written = written[: place + 1] + random_.choice(_RAW) + written[place + 1 :]
    return written


def mutated_text(text: str, random_: random.Random) -> str:
    """A table or a TOML text with words, lines and signs changed."""
    lines = text.splitlines(keepends=True)
    for _ in range(random_.choice((1, 1, 2, 4))):
        if not lines:
            break
        at = random_.randrange(len(lines))
        match random_.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, random_.choice(lines))
            case 2:
                lines[at] = lines[at][: random_.randrange(len(lines[at]) + 1)]
            case 3:
                words = lines[at].split(" ")
                words[random_.randrange(len(words))] = str(random_.choice(VALUES))
                lines[at] = " ".join(words)
            case 4:
                place = random_.randrange(len(lines[at]) + 1)
                sign = random_.choice(
                    ('"', "'", "[", "]", "{", "=", ",", "\0", "\ufeff", "\n", "9" * 30, "-", "nan", "#")
                )
                lines[at] = lines[at][:place] + sign * random_.choice((1, 1, 2, 300)) + lines[at][place:]
            case 5:
                random_.shuffle(lines)
    return "".join(lines)


def _places(value: Any) -> Any:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])
