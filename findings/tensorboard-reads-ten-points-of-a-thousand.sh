#!/usr/bin/env bash
# TensorBoard: its own reader gives ten points of a thousand, drawn by chance, so that the best epoch is not among
#   them.
#
# Packages: tensorboard==2.21.0, tensorboardX==2.6.5, numpy==2.4.6, Python 3.11.
# Input: an accuracy of 1000 steps, 0.5 at each but 0.9 at step 333, written by tensorboard.summary.Writer, which
#   writes scalars as tensors as TensorFlow's and Keras' writers do, and by tensorboardX, which writes plain numbers;
#   30,000 steps by tensorboardX, with 0.9 at step 12,345; read by EventAccumulator(folder).Reload(), Tensors() or
#   Scalars(), at its defaults and with size_guidance of 0, which means all.
# Expected: the 1000 points: a scalar is a scalar whoever wrote it; or a word that some were left out.
# Seen 2026-11-29: of the tensors 10 points are left, without step 333, so that the best accuracy is 0.5; of plain
#   numbers all 1000, but 10,000 of the 30,000, without 12,345. Which ones is drawn by a fixed seed; the last is always
#   there. With size_guidance={"tensors": 0, "scalars": 0} all come. Nothing is said.
# What it means: a script that takes the best epoch, or draws a curve, from the files of a long training takes it from
#   a sample, and two networks are compared by luck. The same script is right for the files of another writer.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tensorboard==2.21.0 tensorboardX==2.6.5 numpy==2.4.6 2>/dev/null
export WORK="$work"
"$work/venv/bin/python" -W ignore - 2>/dev/null <<'PY'
import os
import tempfile

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary import Writer
from tensorboardX import SummaryWriter


def written(writer, steps, best):
    folder = tempfile.mkdtemp(dir=os.environ["WORK"])
    to = writer(folder)
    for step in range(steps):
        value = 0.9 if step == best else 0.5
        if writer is Writer:
            to.add_scalar("accuracy", np.float32(value), step=step)
        else:
            to.add_scalar("accuracy", value, step)
    to.close()
    return folder


def points(folder, **more):
    reader = EventAccumulator(folder, **more)
    reader.Reload()
    if "accuracy" in reader.Tags()["scalars"]:
        return {event.step: event.value for event in reader.Scalars("accuracy")}
    return {event.step: float(event.tensor_proto.float_val[0] if event.tensor_proto.float_val else
                              np.frombuffer(event.tensor_proto.tensor_content, np.float32)[0]) for event in reader.Tensors("accuracy")}


same = True
for name, writer, steps, best, expected in (("tensors", Writer, 1000, 333, 10), ("plain numbers", SummaryWriter, 1000, 333, 1000),
                                            ("plain numbers", SummaryWriter, 30_000, 12_345, 10_000)):
    folder = written(writer, steps, best)
    found, whole = points(folder), points(folder, size_guidance={"tensors": 0, "scalars": 0})
    print(f"{steps} steps as {name}: {len(found)} read, best {max(found.values()):.1f}, last step {max(found)}; "
          f"all: {len(whole)} read, best {max(whole.values()):.1f}")
    same &= len(found) == expected and len(whole) == steps and max(found) == steps - 1
    same &= (max(found.values()) < 0.6) == (expected < steps) and max(whole.values()) > 0.8
raise SystemExit(0 if same else "changed since 2026-11-29")
PY
echo "as seen on 2026-11-29"
