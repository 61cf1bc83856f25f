"""What is wrong with the runs and tables of a study, as numbered checks: one file each, and this table of them."""

from __future__ import annotations

from dataclasses import dataclass

from mien.report.checks import (
    c01_collapsed,
    c02_invalid_pair,
    c03_dead_relu,
    c04_saturated_sigmoid,
    c05_diverged,
    c06_rate_too_high,
    c07_statistics_not_fitted,
    c08_overfitting,
    c09_underfitting,
    c10_stopped_too_early,
    c11_too_close,
    c12_ranking_flips,
    c13_one_seed,
    c14_class_never_predicted,
    c15_below_floor,
    c16_copies_across_roles,
    c17_test_above_validation,
    c18_epoch_at_the_edge,
    c19_averages_not_settled,
)
from mien.report.checks.base import Check, Evidence, Found, Severity

CHECKS: tuple[Check, ...] = (
    c01_collapsed.CHECK,
    c02_invalid_pair.CHECK,
    c03_dead_relu.CHECK,
    c04_saturated_sigmoid.CHECK,
    c05_diverged.CHECK,
    c06_rate_too_high.CHECK,
    c07_statistics_not_fitted.CHECK,
    c08_overfitting.CHECK,
    c09_underfitting.CHECK,
    c10_stopped_too_early.CHECK,
    c11_too_close.CHECK,
    c12_ranking_flips.CHECK,
    c13_one_seed.CHECK,
    c14_class_never_predicted.CHECK,
    c15_below_floor.CHECK,
    c16_copies_across_roles.CHECK,
    c17_test_above_validation.CHECK,
    c18_epoch_at_the_edge.CHECK,
    c19_averages_not_settled.CHECK,
)


@dataclass(frozen=True)
class Diagnosis:
    """A check that found something.

    Attributes:
        check: which one.
        severity: of all that it found here.
        found: what it found, at least one thing.
    """

    check: Check
    severity: Severity
    found: tuple[Found, ...]


def diagnose(evidence: Evidence) -> list[Diagnosis]:
    """Ask every check; those that found something, errors first, then by code; errors and notes of one check apart."""
    every = [(check, tuple(check.find(evidence))) for check in CHECKS]
    return [
        Diagnosis(check, severity, found)
        for severity in Severity
        for check, all_found in every
        if (found := tuple(one for one in all_found if (one.severity or check.severity) is severity))
    ]


__all__ = ["CHECKS", "Check", "Evidence", "Diagnosis", "Found", "Severity", "diagnose"]
