"""The audit of a data set: what is wrong with it, which samples to leave out, and the numbers behind both.

Each check looks at one thing that falsifies figures, and gives findings with the samples that they are about. A set
without faults has no finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.channels import images_in_channels
from mien.datasets.audit.cleaning import cleaning_list
from mien.datasets.audit.copies import (
    check_conflicts,
    check_copies,
    check_oversampling,
    check_shared_classes,
    copy_counts,
)
from mien.datasets.audit.findings import CopyCount, Finding, Gravity, LabelDoubt
from mien.datasets.audit.images import check_face_seen, check_flat, check_tiny, check_unreadable
from mien.datasets.audit.names import check_file_names, check_role_names, check_two_names, derived_files
from mien.datasets.audit.roles import check_balance, check_groups, check_known, check_roles
from mien.datasets.audit.view import View
from mien.datasets.audit.votes import check_doubts, check_no_face, check_votes
from mien.datasets.cleaning import CleaningEntry
from mien.datasets.dataset import Dataset
from mien.datasets.description import Description, describe, role_name
from mien.datasets.duplicates import Duplicates, Progress, find_duplicates, joined
from mien.datasets.known import Match, match_known

SCHEMA = 1
CHECKS: tuple[Callable[[View], Iterator[Finding]], ...] = (
    check_copies,
    check_conflicts,
    check_shared_classes,
    check_oversampling,
    check_file_names,
    check_two_names,
    check_role_names,
    check_roles,
    check_known,
    check_groups,
    check_flat,
    check_no_face,
    check_face_seen,
    check_votes,
    check_doubts,
    check_unreadable,
    check_tiny,
    check_balance,
)


@dataclass(frozen=True, eq=False)
class Audit:
    """What an audit found.

    Attributes:
        description: the data set in numbers.
        known: the published set that it is a copy of, or None.
        findings: faults first.
        copies: for each kind of copy and for all together ("any"), how many there are.
        duplicates: the copies.
        sets: shape (N,), int64, the number of the duplicate set of each image: images with one number are copies of
            one picture in any way, by pixels or by file name.
        cleaning: samples to leave out.
    """

    description: Description
    known: Match | None
    findings: tuple[Finding, ...]
    copies: tuple[CopyCount, ...]
    duplicates: Duplicates
    sets: NDArray[np.int64]
    cleaning: tuple[CleaningEntry, ...]

    def to_json(self, ids: NDArray[np.str_], examples: int = 5) -> dict[str, Any]:
        """Plain values for JSON, with the names of a few samples for each finding; all of them are in the lists.

        Args:
            ids: of the data set.
            examples: groups of samples named for each finding.
        """
        return {
            "schema": SCHEMA,
            # By its name alone: where it lies on somebody's machine is nobody else's business.
            "data": self.description.to_json() | {"source": PurePath(self.description.source).name},
            "known": None
            if self.known is None
            else {
                "name": self.known.known.name,
                "source": self.known.known.source,
                "exchanged": self.known.exchanged,
                "differences": [
                    {
                        "role": role_name(difference.role),
                        "expression": difference.expression.value,
                        "known": difference.known,
                        "found": difference.found,
                    }
                    for difference in self.known.differences
                ],
            },
            "findings": [
                {
                    "check": finding.check,
                    "severity": finding.severity.value,
                    "title": finding.title,
                    "text": finding.text,
                    "count": finding.count,
                    "numbers": dict(finding.numbers),
                    "examples": [[str(ids[position]) for position in group] for group in finding.samples[:examples]],
                    "names": list(finding.names[:examples]),
                }
                for finding in self.findings
            ],
            "copies": [count.to_json() for count in self.copies],
            "cleaning": dict(sorted(Counter(entry.reason for entry in self.cleaning).items())),
        }


def audit_dataset(
    dataset: Dataset,
    *,
    doubts: Sequence[LabelDoubt] = (),
    face_certainty: NDArray[np.float64] | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for everything that makes figures on a data set wrong.

    Args:
        dataset: what to look at. 36,000 images take half a minute of one core.
        doubts: labels that are likely to be wrong, the likeliest first.
        face_certainty: shape (N,), how sure a face detector is that an image shows a face, 0 to 1; None when none
            looked.
        progress: called with steps done and steps to be done while copies are sought.
    """
    duplicates = find_duplicates(images_in_channels(dataset.images, "gray"), dataset.sample_hashes, progress=progress)
    derived = derived_files(dataset)
    pairs = np.concatenate([np.stack([duplicates.first, duplicates.second], axis=1), derived])
    view = View(
        dataset=dataset,
        duplicates=duplicates,
        derived=derived,
        sets=joined(len(dataset), pairs[:, 0], pairs[:, 1]),
        known=match_known(dataset),
        doubts=tuple(doubts),
        face_certainty=face_certainty,
    )
    findings = [finding for check in CHECKS for finding in check(view)]
    return Audit(
        description=describe(dataset),
        known=view.known,
        findings=tuple(sorted(findings, key=lambda finding: list(Gravity).index(finding.severity))),
        copies=tuple(copy_counts(view)),
        duplicates=duplicates,
        sets=view.sets,
        cleaning=tuple(cleaning_list(view)),
    )
