"""What the study concludes, at the end of the report: computed from the records, each sentence with how sure it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mien.report.compared import AT_FLOOR, AxisEffect, Choice, Effect, TableComparison, contrast, distinct, why_untold
from mien.report.summary import Statement, listed
from mien.report.tables import TableData
from mien.study.reference import Claim, Reference
from mien.wording import count_text


class Verdict(StrEnum):
    """What the study's records say of a claim."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "cannot be told"


@dataclass(frozen=True)
class Claimed:
    """A conclusion of a source beside our effect.

    Attributes:
        claim: what the source concludes.
        reference: what the source is called.
        effect: of what it prefers against the other, in our records; None where they tell nothing.
        gap: why there is no effect; an empty text when there is one.
    """

    claim: Claim
    reference: str
    effect: Effect | None
    gap: str


@dataclass(frozen=True)
class Tried:
    """A conclusion of a source, tried on the study's own records.

    Attributes:
        claim: what the source concludes.
        reference: what the source is called.
        outcome: what our records say of it.
        reason: why, with the numbers.
    """

    claim: Claim
    reference: str
    outcome: Verdict
    reason: str


def conclude(
    comparisons: Sequence[TableComparison], effects: Sequence[AxisEffect], chosen: Sequence[Choice]
) -> list[Statement]:
    """Which network and which settings, as far as the records tell.

    Args:
        comparisons: one a table.
        effects: of all tables.
        chosen: columns that were chosen on the validation role.
    """
    statements = [statement for comparison in distinct(comparisons) for statement in _best(comparison)]
    statements += list(_settings(effects))
    if chosen:
        picked = [f"{choice.column} for {choice.row}" for choice in chosen]
        statements.append(
            Statement("Chosen on the validation role", f"{listed(picked)}. The test role had no part in it.")
        )
    return statements


def claimed(tables: Sequence[TableData], references: Mapping[str, Reference]) -> list[Claimed]:
    """Every claim of the references with what the study's records say of it, not corrected for their number yet."""
    by_name = {table.spec.name: table for table in tables}
    found = []
    for reference in references.values():
        for claim in reference.claims:
            table = by_name.get(claim.table)
            if table is None:
                found.append(Claimed(claim, reference.name, None, f"This study has no table {claim.table!r}."))
                continue
            asked = (table, claim.axis, claim.better, claim.than, claim.among)
            effect = contrast(*asked)
            found.append(Claimed(claim, reference.name, effect, "" if effect else why_untold(*asked)))
    return found


def tried_claim(one: Claimed) -> Tried:
    """What becomes of a claim; its effect is corrected."""
    effect = one.effect
    if effect is None:
        return Tried(one.claim, one.reference, Verdict.OPEN, one.gap)
    outcome = {1: Verdict.HOLDS, 0: Verdict.OPEN, -1: Verdict.FAILS}[effect.direction]
    remarks = [AT_FLOOR if effect.blind else "", effect.correction, effect.remark]
    told = "".join(f" {remark[0].upper()}{remark[1:]}." for remark in remarks if remark)
    return Tried(one.claim, one.reference, outcome, f"{_subject(one.claim)}: {effect.text}.{told}")


def _best(comparison: TableComparison) -> Iterator[Statement]:
    if len(comparison.entries) < 2:
        return
    best, *others = comparison.entries
    equals = comparison.equals_of(best)
    beaten = len(others) - len(equals)
    seeds = ", one seed" if best.seeds == 1 else f", mean of {best.seeds} seeds"
    if any(result.is_foreign for result in best.results.values()):
        seeds = ""  # nobody knows of it
    accuracy = best.estimate
    interval = f"{accuracy.value:.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}]"
    text = f"{best.title} has the highest accuracy, {interval}{seeds}. "
    if beaten:
        text += (
            f"It is better than {count_text(beaten, 'other')} on the same images, corrected for the number of tests. "
        )
    if equals:
        text += f"It cannot be told apart from {listed([entry.title for entry in equals])}."
    yield Statement(comparison.table.spec.title, text.strip(), caution=bool(equals))


def _settings(effects: Sequence[AxisEffect]) -> Iterator[Statement]:
    """One statement a table: the effects of its settings, the largest first."""
    tables: dict[str, list[AxisEffect]] = {}
    for effect in effects:
        # Another table may hold the same runs: what is told already is not told again.
        if all(
            (known.position, known.effect) != (effect.position, effect.effect) for known in sum(tables.values(), [])
        ):
            tables.setdefault(effect.table, []).append(effect)
    for found in tables.values():
        ordered = sorted(found, key=lambda one: -one.effect.difference.value)
        parts = []
        for one in ordered:
            remark = f" ({one.effect.remark})" if one.effect.remark else ""
            parts.append(f"{one}: {one.effect.verdict}{remark}.")
        yield Statement(
            f"Effect of {found[0].heading.lower() if found[0].heading[1:].islower() else found[0].heading}",
            " ".join(part[0].upper() + part[1:] for part in parts),
            caution=not any(one.effect.direction for one in found),
        )


def _subject(claim: Claim) -> str:
    better, than = (
        labels[0] if len(labels) == 1 else f"the mean of {len(labels)}" for labels in (claim.better, claim.than)
    )
    among = f" for {listed(list(claim.among))}" if claim.among else ""
    return f"{better} less {than}{among}"
