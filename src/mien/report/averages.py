"""One set of weights under both kinds of averages of batch normalisation: what a stale average costs a figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mien.datasets.dataset import Role
from mien.evaluation.intervals import Estimate
from mien.evaluation.metrics import image_values
from mien.predictions import Predictions
from mien.report.measured import accuracy_of
from mien.report.results import Result
from mien.report.tables import Frame


@dataclass(frozen=True)
class Figures:
    """How answers do on the test role.

    Attributes:
        accuracy: with its 95 % interval.
        log_loss: mean, in nats.
    """

    accuracy: Estimate
    log_loss: float


@dataclass(frozen=True, eq=False)
class Averages:
    """A result under both kinds of averages.

    Attributes:
        result: which one; its own figures are those that the report shows.
        settled: under averages estimated afresh.
        moving: under the averages that training gathered.
        decay: of the moving averages, for each step.
        steps: after which the weights were taken.
    """

    result: Result
    settled: Figures
    moving: Figures
    decay: float
    steps: int

    @property
    def shows_moving(self) -> bool:
        """Whether the report shows the figures under the moving averages."""
        return self.result.run.recipe.batch_statistics == "moving"

    @property
    def left(self) -> float:
        """Share of the start values in the moving averages, 0 to 1."""
        return self.decay**self.steps

    @property
    def differ(self) -> bool:
        """Whether the accuracy under the other kind lies outside of the interval of the one shown."""
        shown, other = (self.moving, self.settled) if self.shows_moving else (self.settled, self.moving)
        return not shown.accuracy.low <= other.accuracy.value <= shown.accuracy.high

    @property
    def stale(self) -> bool:
        """Whether what is shown tells of averages that had not settled, and not of the network."""
        return self.shows_moving and self.differ


def averages_of(result: Result) -> Averages | None:
    """A result under both kinds of averages; None where its record does not hold them."""
    record = result.record
    if record is None or result.scores is None or (result.readout, Role.TEST) not in record.others:
        return None
    facts = record.network.get("averages") or {}
    if not facts.get("decay"):
        return None
    own = Figures(result.scores.accuracy, result.scores.log_loss.value)
    other = figures_of(record.others[result.readout, Role.TEST])
    moving_shown = result.run.recipe.batch_statistics == "moving"
    return Averages(
        result,
        settled=other if moving_shown else own,
        moving=own if moving_shown else other,
        decay=float(facts["decay"]),
        steps=int(facts["steps_per_epoch"]) * (result.chosen_epoch or result.readout),
    )


def averages_frame(entries: Iterable[Averages]) -> Frame:
    """One line a result: decay, steps, what is left of the start values, and the figures under both kinds."""
    columns = (
        "run title epochs decay steps left shown settled_accuracy settled_accuracy_low settled_accuracy_high "
        "settled_log_loss moving_accuracy moving_accuracy_low moving_accuracy_high moving_log_loss"
    )
    return Frame(
        tuple(columns.split()),
        tuple(
            (
                entry.result.run.id,
                entry.result.title,
                entry.result.readout,
                entry.decay,
                entry.steps,
                entry.left,
                "moving" if entry.shows_moving else "settled",
                *_numbers(entry.settled),
                *_numbers(entry.moving),
            )
            for entry in entries
        ),
    )


def figures_of(predictions: Predictions) -> Figures:
    """The figures of some answers for the test role."""
    return Figures(accuracy_of(predictions), float(image_values(predictions, "log_loss").mean()))


def _numbers(figures: Figures) -> tuple[float, float, float, float]:
    accuracy = figures.accuracy
    return accuracy.value, accuracy.low, accuracy.high, figures.log_loss
