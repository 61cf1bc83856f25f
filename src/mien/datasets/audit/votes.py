"""What taggers and a network say against the labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mien.datasets.audit.findings import Finding, Gravity, plural
from mien.datasets.audit.view import View
from mien.datasets.dataset import Dataset
from mien.datasets.fer2013 import OTHER_ANSWERS

_SURE_VOTES = 0.8


def no_face_mask(dataset: Dataset) -> NDArray[np.bool_]:
    """Shape (N,): whether no answer has more votes than "not a face". All False without FER+'s votes."""
    if dataset.votes is None or dataset.other_votes is None or dataset.other_votes.shape[1] != len(OTHER_ANSWERS):
        return np.zeros(len(dataset), dtype=bool)
    no_face = dataset.other_votes[:, OTHER_ANSWERS.index("NF")]
    most = np.maximum(dataset.votes.max(axis=1), dataset.other_votes.max(axis=1))
    return np.asarray((no_face > 0) & (no_face >= most), dtype=np.bool_)


def check_no_face(view: View) -> Iterator[Finding]:
    """Images that most taggers called no face."""
    none = np.flatnonzero(no_face_mask(view.dataset))
    if len(none) and view.dataset.votes is not None and view.dataset.other_votes is not None:
        votes = view.dataset.other_votes[none, OTHER_ANSWERS.index("NF")]
        total = view.dataset.votes[none].sum(axis=1) + view.dataset.other_votes[none].sum(axis=1)
        half = int((votes >= total / 2).sum())
        yield Finding(
            check="not-a-face",
            severity=Gravity.FAULT,
            title=f"{plural(len(none), 'image shows', 'images show')} no face, say the taggers",
            text=f"No answer has more votes than 'not a face'; in {half:,} of them it has half of the votes or more. "
            "Targets made from votes leave them out; FER2013's own labels do not.",
            count=len(none),
            samples=tuple((int(position),) for position in none),
            numbers={"most_votes": len(none), "half_of_the_votes": half},
        )


def check_votes(view: View) -> Iterator[Finding]:
    """The label that nobody gave, where nearly all gave another."""
    votes = view.dataset.votes
    if votes is None:
        return
    total = np.maximum(
        votes.sum(axis=1) + (0 if view.dataset.other_votes is None else view.dataset.other_votes.sum(axis=1)), 1
    )
    own = votes[np.arange(len(votes)), view.dataset.labels]
    wrong = np.flatnonzero((own == 0) & (votes.max(axis=1) >= _SURE_VOTES * total))
    if not len(wrong):
        return
    said = votes[wrong].argmax(axis=1)
    pairs = Counter(
        (view.label(label), view.label(vote))
        for label, vote in zip(view.dataset.labels[wrong].tolist(), said.tolist(), strict=True)
    )
    commonest = ", ".join(f"{label} that is {vote} ({count:,})" for (label, vote), count in pairs.most_common(3))
    yield Finding(
        check="label-against-votes",
        severity=Gravity.CAUTION,
        title=f"{plural(len(wrong), 'image has', 'images have')} a label that no tagger gave, where at least "
        f"{_SURE_VOTES:.0%} gave another",
        text=f"The commonest: {commonest}. Train and judge on the votes (targets = 'majority' or 'votes') rather than "
        "on these labels.",
        count=len(wrong),
        samples=tuple((int(position),) for position in wrong),
        numbers={f"{label} to {vote}": count for (label, vote), count in pairs.most_common()},
    )


def check_doubts(view: View) -> Iterator[Finding]:
    """Labels that a network doubts."""
    doubts = view.doubts
    if not doubts:
        return
    pairs = Counter((doubt.label, doubt.answer) for doubt in doubts)
    commonest = ", ".join(f"{label} that looks like {answer} ({n:,})" for (label, answer), n in pairs.most_common(3))
    yield Finding(
        check="label-noise",
        severity=Gravity.CAUTION,
        title=f"{plural(len(doubts), 'label is', 'labels are')} doubted by the network of the run",
        text=f"The commonest: {commonest}. Shown are the ones that are doubted most. The network may be the one that "
        "is wrong: look at the images, and do not take test images out because a network fails on them.",
        count=len(doubts),
        samples=tuple((doubt.position,) for doubt in doubts),
        names=tuple(
            f"{view.dataset.ids[doubt.position]}: {doubt.label} ({doubt.own:.0%}), or {doubt.answer} "
            f"({doubt.other:.0%})?"
            for doubt in doubts
        ),
        numbers={f"{label} to {answer}": count for (label, answer), count in pairs.most_common()},
    )
