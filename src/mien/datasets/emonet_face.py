"""EmoNet-Face: drawn portraits rated in forty categories of emotion, as Parquet, and the map from these to expressions.

Schuhmann et al., *EmoNet-Face: An Expert-Annotated Benchmark for Synthetic Emotion Recognition*, 2025. An image has the
label of the category that was rated highest on average, where that category is one of the map and stands alone there.
The map is mien's own: it takes only the categories whose name is an expression or a plain word for one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mien.datasets.dataset import Problem
from mien.labels import Expression, find_expression

# Categories are named with synonyms beside them, such as "Astonishment/Surprise": the first part that is known counts.
CATEGORIES: dict[str, Expression | None] = {
    "anger": Expression.ANGER,
    "disgust": Expression.DISGUST,
    "fear": Expression.FEAR,
    "elation": Expression.HAPPINESS,
    "amusement": Expression.HAPPINESS,
    "contentment": Expression.HAPPINESS,
    "sadness": Expression.SADNESS,
    "astonishment": Expression.SURPRISE,
    "surprise": Expression.SURPRISE,
    "contempt": Expression.CONTEMPT,
    **dict.fromkeys(
        (
            *(
                "affection",
                "arousal",
                "awe",
                "bitterness",
                "concentration",
                "confusion",
                "contemplation",
                "contentedness",
            ),
            *("disappointment", "distress", "doubt", "embarrassment", "numbness", "envy", "fatigue", "helplessness"),
            *("hope", "impatience", "infatuation", "interest", "intoxication", "jealousy", "longing", "malevolence"),
            *("pain", "pleasure", "pride", "relief", "shame", "sourness", "teasing", "thankfulness", "triumph"),
        )
    ),
}
_FEWEST_COLUMNS = 20
_STRUCT_COLUMNS = ("annotations", "annotation", "ratings", "emotions", "emotion_scores")
RATINGS_NOTE = (
    "labels are the category with the highest mean rating, by mien's map of EmoNet-Face's categories: anger, disgust, "
    "fear, sadness and contempt as they are called, elation, amusement and contentment as happiness, astonishment as "
    "surprise; images of other categories are left out"
)


def _known(name: str) -> str | None:
    """The category that a column or key names, or None."""
    words = "".join(character if character.isalpha() else " " for character in name.lower()).split()
    return next((word for word in words if word in CATEGORIES), None)


def rating_columns(names: Sequence[str]) -> dict[str, str]:
    """The columns of ratings by the name they go under: one for each category, or one with all; else none."""
    single = {name: name for name in names if _known(name) is not None}
    if len(single) >= _FEWEST_COLUMNS:
        return single
    return {name: name for name in names if name.lower() in _STRUCT_COLUMNS}


def label_by_ratings(cells: Mapping[str, object], place: str) -> Expression | Problem:
    """The expression of a row's ratings, or why it has none.

    Args:
        cells: numbers by category, or one cell with numbers by category, of one rater or a list of them.
        place: the row, for the problem.
    """
    ratings: dict[str, list[float]] = defaultdict(list)
    for name, value in _numbers(cells):
        ratings[name].append(value)
    if not ratings:
        return Problem(place, "It has no ratings of emotions.")
    means = {name: sum(values) / len(values) for name, values in ratings.items()}
    most = max(means.values())
    best = [name for name, mean in means.items() if mean == most]
    if most <= 0 or len(best) > 1:
        return Problem(place, f"No category was rated highest alone ({', '.join(best[:4])[:60]}).")
    category = _known(best[0])
    expression = CATEGORIES.get(category or "") or find_expression(best[0])
    if expression is None:
        return Problem(place, f"Its highest category, {best[0][:40]!r}, is none of the expressions.")
    return expression


def _numbers(value: object, name: str = "") -> Iterator[tuple[str, float]]:
    """All numbers below a cell with the category that they rate; raters' names and the like have none."""
    if isinstance(value, Mapping):
        named = value.get("emotion") or value.get("category") or value.get("label")
        rating = next((value[key] for key in ("score", "rating", "value", "intensity") if key in value), None)
        if isinstance(named, str) and rating is not None:
            yield from _numbers(rating, named)
            return
        for key, inner in value.items():
            yield from _numbers(inner, key if _known(str(key)) else name)
    elif isinstance(value, str):
        return
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _numbers(inner, name)
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and name:
        yield name, float(value)
