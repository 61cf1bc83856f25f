"""Batches that several devices share: Keras on JAX, with four devices made of the processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from mien.errors import MienError, NetworkError
from support.targets import STUDY

TRAINED = """
import json, sys
from pathlib import Path

import numpy as np

from mien.training.backend import choose_backend, configure

choose_backend()
from mien.datasets.dataset import Role
from mien.datasets.protocol import ProtocolSpec, apply_protocol
from mien.datasets.synthetic import draw_faces
from mien.errors import NetworkError
from mien.study.plan import PlannedRun
from mien.study.recipe import Recipe
from mien.study.store import Store
from mien.training import mien_small
from mien.training.execute import execute

mien_small.STAGES = ((8, 0),)
dataset = draw_faces(243, size=32, seed=3)
split = apply_protocol(dataset, ProtocolSpec())


class Watch:
    def stage(self, text): pass
    def step(self, *steps): pass
    def epoch(self, entry): pass


def run(name, **changes):
    recipe = Recipe(**{"batch_size": 16, "epochs": 2, "ema": 0.8, "learning_rate": 0.01, **changes}).resolved(32)
    store = Store.create(Path(sys.argv[1]) / name)
    record = execute(PlannedRun(name, recipe, ProtocolSpec(), (2,)), dataset, split, store, watch=Watch())
    answers = {role.value: record.predictions[2, role].outputs.tolist() for role in (Role.VALIDATION, Role.TEST)}
    history = [entry.comparable() for entry in record.history]
    return {"history": history, "answers": answers, "devices": record.environment["devices"]}


said = {"counts": [len(split.validation), len(split.test)], "alone": run("alone")}
for count in (5, 4):
    try:
        configure(gpus=count)
    except NetworkError as error:
        said["too many"] = str(error)
said["shared"] = run("shared")
try:
    run("uneven", batch_size=18)
except NetworkError as error:
    said["uneven"] = str(error)
print(json.dumps(said))
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_devices_that_share_batches_give_what_one_gives(tmp_path):
    # What is compiled runs for a moment: making it fast would take the most of the time.
    flags = (
        "--xla_force_host_platform_device_count=4",
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    )
    made = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": " ".join(flags)}
    done = subprocess.run(
        [sys.executable, "-c", TRAINED, str(tmp_path)], env={**os.environ, **made}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert all(count % 4 for count in said["counts"]), "the last batches shall need filling up"
    alone, shared = said["alone"], said["shared"]
    assert (alone["devices"], shared["devices"]) == (["cpu:0"], [f"cpu:{number}" for number in range(4)])
    for role, answers in alone["answers"].items():
        for one, other in zip(answers, shared["answers"][role], strict=True):
            assert other == pytest.approx(one, abs=1e-3), role
    for epoch, other in zip(alone["history"], shared["history"], strict=True):
        assert other == pytest.approx(epoch, abs=1e-3, nan_ok=True)
    assert "shall have 5 GPUs, and JAX sees 4 here" in said["too many"]
    assert "4 GPUs cannot share batches of 18 images evenly" in said["uneven"]


def test_other_backends_do_not_share_batches():
    from mien.training.backend import backend_name, configure

    if backend_name() == "jax":
        pytest.skip("This is JAX")
    with pytest.raises(NetworkError, match="need Keras on JAX: KERAS_BACKEND=jax"):
        configure(gpus=2)


@pytest.mark.parametrize("gpus", [0, 0.5, 1.5])
def test_a_part_of_a_gpu_is_for_ray(tmp_path, gpus):
    import mien

    (tmp_path / "study.toml").write_text(STUDY)
    with pytest.raises(MienError, match="on Ray alone"):
        mien.run_study(tmp_path / "study.toml", store=tmp_path / "store", gpus=gpus)
