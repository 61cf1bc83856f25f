"""C06: a learning rate at which nothing is learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mien.report.checks.base import (
    Check,
    Evidence,
    Found,
    Severity,
    learned_nothing,
    majority_of_training,
    settled,
    trained,
)
from mien.report.results import Result, State

# Keras' own rates. Ten times as much is the usual end of what is tried.
USUAL = {"sgd": 0.01, "rmsprop": 0.001, "adam": 0.001, "adamw": 0.001}
FACTOR = 10.0
# A validation loss this many times the first epoch's is no noise.
JUMP = 10.0


def _find(evidence: Evidence) -> Iterator[Found]:
    for result in evidence.last:
        trouble = _trouble(result)
        # With an output that the loss does not fit, the rate is not what is wrong first.
        if not trouble or result.unsound:
            continue
        recipe = result.run.recipe
        usual = USUAL[recipe.optimizer]
        lower = next((other for other in evidence.last if _is_lower(other, result) and not _trouble(other)), None)
        if recipe.learning_rate < FACTOR * usual * (1 - 1e-9) and lower is None:
            continue
        text = f"{trouble} at a learning rate of {recipe.learning_rate:g}; {recipe.optimizer} usually gets {usual:g}."
        if lower is not None:
            text += f" With everything else the same, {lower.run.recipe.learning_rate:g} learned."
        yield Found.of(result, text)


def _trouble(result: Result) -> str:
    """What went wrong in training, as the beginning of a sentence; an empty text when nothing did."""
    if result.state is State.DIVERGED:
        return "The loss stopped being a number"
    history = trained(result)
    if not history or result.record is None:
        return ""
    share = majority_of_training(result.record)
    if learned_nothing(result) and share is not None:
        return (
            f"After {len(history)} epochs the training accuracy is {history[-1].accuracy:.1%}, and the commonest label "
            f"alone gives {share:.1%}: nothing was learned"
        )
    losses = [epoch.validation_loss for epoch in settled(result)[0]]
    worst = max(losses)
    if worst > JUMP * losses[0]:
        epoch = history[losses.index(worst)].epoch
        return f"The validation loss jumped from {losses[0]:.3g} to {worst:.3g} in epoch {epoch}"
    return ""


def _is_lower(other: Result, result: Result) -> bool:
    """Whether another run differs in a lower learning rate alone, and has a history."""
    return (
        other.run.recipe.learning_rate < result.run.recipe.learning_rate
        and other.run.protocol == result.run.protocol
        and replace(other.run.recipe, learning_rate=result.run.recipe.learning_rate, epochs=result.run.recipe.epochs)
        == result.run.recipe
        and bool(trained(other))
    )


CHECK = Check(
    code="C06",
    title="Learning rate too high",
    severity=Severity.ERROR,
    explanation=(
        "Training diverged, jumped or learned nothing, and either the rate is at least ten times what is usual for the "
        "optimizer or the same run learned with a lower one. The figure tells of the rate, not of the backbone. Divide "
        "the rate by ten, or warm it up."
    ),
    find=_find,
)
