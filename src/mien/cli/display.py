"""What the terminal shows of studies: a live display while they run, and tables of plans and states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from mien.cli.console import open_console
from mien.wording import count_text

if TYPE_CHECKING:
    from mien.api.studying import StudyPlan, StudyState
    from mien.study.forecast import Expected
    from mien.study.plan import Cell, Plan, PlannedRun


class LiveWatch:
    """Shows run, epoch, step and remaining time while a study runs; plain lines where there is no terminal."""

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles = titles
        self._console = open_console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("steps, left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def note(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, markup=False)

    def run_begins(self, index: int, count: int, run: PlannedRun) -> None:
        """Head line of a run."""
        self.note(f"[{index}/{count}] {self._titles[run.id]}  ({run.id})")
        self._tasks[run.id] = self._progress.add_task("starting", total=None)

    def said(self, run: PlannedRun, what: Mapping[str, Any]) -> None:
        """Move the bar; one line for each epoch and each long stage."""
        task = self._tasks[run.id]
        if what["say"] == "stage":
            self._progress.update(task, description=what["text"])
            if what["text"].startswith(("fitting", "computing", "going on", "training from")):
                self._tell(run, what["text"])
        elif what["say"] == "step":
            total = what["total"] * run.recipe.epochs
            done = what["total"] * (what["epoch"] - 1) + what["done"]
            text = f"epoch {what['epoch']}/{run.recipe.epochs}"
            self._progress.update(task, description=text, completed=done, total=total)
        elif what["say"] == "epoch":
            self._tell(run, _epoch_line(what["entry"], run.recipe.epochs))

    def run_ends(self, run: PlannedRun, status: str, reason: str | None) -> None:
        """Last line of a run."""
        self._tell(run, status + (f": {reason}" if reason else ""))
        self._progress.remove_task(self._tasks.pop(run.id))

    def _tell(self, run: PlannedRun, text: str) -> None:
        """A line of a run that stays, with its name where several go on at once."""
        self.note(f"  {run.id}: {text}" if len(self._tasks) > 1 else f"  {text}")


class _Table(Table):
    """A table whose texts are shown as they are: rich would take what stands in brackets for a style, and drop it."""

    def __init__(self, title: str) -> None:
        super().__init__(title=escape(title))

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """A row of texts."""
        super().add_row(*map(_as_it_is, cells), **options)


def _group(*lines: RenderableType) -> Group:
    """Tables and lines below one another, as they are, likewise."""
    return Group(*map(_as_it_is, lines))


def _as_it_is(what: Any) -> Any:
    return escape(what) if isinstance(what, str) else what


def plan_table(ahead: StudyPlan) -> Group:
    """A plan: its runs with what they will cost, its skips with their reasons, and the sums."""
    plan = ahead.plan
    table = _Table(f"{plan.study.title}: {count_text(len(plan.runs), 'run')} for {count_text(len(plan.cells), 'cell')}")
    for heading in ("run", "network and training", "images", "epochs", "minutes", "known from", "memory", "state"):
        table.add_column(heading)
    for run in plan.runs:
        awaited = ahead.expected[run.id]
        memory = awaited.cost.memory_mib
        table.add_row(
            run.id,
            ahead.titles[run.id],
            f"{ahead.images(run):,}",
            ", ".join(map(str, run.readouts)),
            f"{awaited.minutes:.1f}",
            awaited.source.value,
            "" if memory is None else f"{memory / 1024:.1f} GiB",
            "done" if run.id in ahead.done else "waiting",
        )
    lines: list[Any] = [table]
    skipped = [cell for cell in plan.cells if cell.run_id is None]
    lines += [f"skipped: {cell.table}, {cell.row} / {cell.column}: {cell.reason}" for cell in skipped]
    lines += _unanswered_lines(ahead.unanswered)
    lines.append(f"The cells ask for {count_text(plan.epochs_asked, 'epoch')}; the runs have {plan.epochs_run:,}.")
    lines += plan.same
    waiting = [ahead.expected[run.id] for run in plan.runs if run.id not in ahead.done]
    if waiting:
        lines.append(_time_left(waiting))
    if ahead.advice:
        lines.append(ahead.advice)
    lines += [f"note: {note}" for note in ahead.planned.notes]
    return _group(*lines)


def _time_left(expected: Sequence[Expected]) -> str:
    """How long the runs that wait will take, and what that rests on."""
    minutes = sum(run.minutes for run in expected)
    time = count_text(max(1, round(minutes)), "minute") if minutes < 180 else f"{minutes / 60:,.0f} hours"
    guessed = sum(run.guessed for run in expected)
    if not guessed:
        return f"Still to run: about {time} on this machine."
    which = "Its times" if guessed == len(expected) else f"The times of {count_text(guessed, 'run')}"
    return (
        f"Still to run: about {time} on this machine. {which} are not measured here and may be off by a factor of two "
        "or more; --measure takes a few steps of each network first."
    )


def cells_table(plan: Plan) -> Table:
    """Every cell of every table, with the run that answers it and after which epoch, or why none does."""
    table = _Table(count_text(len(plan.cells), "cell"))
    folds = any(cell.fold for cell in plan.cells)
    for heading in ("table", "row", "column", "seed", *["fold"] * folds, "run", "after epoch"):
        table.add_column(heading)
    for cell in plan.cells:
        table.add_row(
            cell.table,
            cell.row,
            cell.column,
            str(cell.seed),
            *[str(cell.fold)] * folds,
            cell.run_id or f"skipped: {cell.reason}",
            "" if cell.readout is None else str(cell.readout),
        )
    return table


def budget_table(ahead: StudyPlan, minutes: float) -> Group:
    """What a study gets done in a time: the runs in their order, and how many cells of each table are answered then."""
    table = _Table(f"In {minutes:g} minute{'s' * (minutes != 1)}, what answers most first")
    for heading in ("run", "network and training", "minutes", "minutes in all", "in time"):
        table.add_column(heading)
    turns = ahead.within(minutes)
    for turn in turns:
        name, in_time = turn.run.id, "yes" if turn.in_time else "no"
        table.add_row(name, ahead.titles[name], f"{turn.minutes:.1f}", f"{turn.until:.0f}", in_time)
    answered = {*ahead.done, *(turn.run.id for turn in turns if turn.in_time)}
    lines: list[Any] = [table]
    for spec in ahead.plan.study.tables:
        cells = [cell for cell in ahead.plan.cells if cell.table == spec.name and cell.run_id]
        if cells:
            lines.append(
                f"{spec.name}: {sum(cell.run_id in answered for cell in cells)} of {count_text(len(cells), 'cell')}"
            )
    return _group(*lines)


def status_table(found: StudyState) -> Group:
    """The state of every run of a plan."""
    plan = found.plan
    table = _Table(plan.study.title)
    for heading in ("run", "network and training", "state", "epochs", "validation accuracy"):
        table.add_column(heading)
    for run in plan.runs:
        history = found.history(run)
        epochs = f"{len(history)} of {run.recipe.epochs}"
        accuracy = f"{history[-1].validation_accuracy:.1%}" if history else ""
        table.add_row(run.id, found.titles[run.id], found.state(run), epochs, accuracy)
    skipped = [
        f"skipped: {cell.table}, {cell.row} / {cell.column}: {cell.reason}" for cell in plan.cells if cell.reason
    ]
    skipped += _unanswered_lines(found.unanswered)
    opened = count_text(found.openings, "time")
    return _group(table, *skipped, f"Test labels were opened {opened}, each by a finished run.")


def _unanswered_lines(unanswered: Sequence[tuple[Cell, str]]) -> list[str]:
    return [f"not answered: {cell.table}, {cell.row} / {cell.column}: {why}" for cell, why in unanswered]


def _epoch_line(entry: Mapping[str, Any], epochs: int) -> str:
    def number(name: str, form: str) -> str:
        return "not finite" if entry[name] is None else format(entry[name], form)

    return (
        f"epoch {entry['epoch']}/{epochs}: loss {number('loss', '.5g')}, accuracy {number('accuracy', '.1%')}, "
        f"validation {number('validation_loss', '.5g')} / {number('validation_accuracy', '.1%')}, "
        f"{entry['images_per_second']:.0f} images/s"
    )
