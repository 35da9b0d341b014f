"""`python -m benchmarks gpu`, run in miniature on a CPU."""

import math
from dataclasses import replace

import pytest
import torch

from benchmarks import gpu, work
from worker.engine.devices.execution import GPU
from worker.engine.prediction import inference
from worker.engine.training import loop
from worker.engine.training.presets import PRESETS

CPU = torch.device("cpu")
TINY = replace(
    PRESETS["paper"],
    features=4,
    depth=2,
    samples=5,
    patch_px=16,
    patches_per_step=2,
    n2v_steps=80,
    pn2v_steps=10,
    steps_per_validation=10,
    n2v_learning_rate=5e-3,
)
EXTENT = gpu.Extent(planes=2, side_px=64, steps=2, matrix_side=32, exponentials=1 << 10)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    inference._tile_on.cache_clear()
    for module in (loop, inference, gpu):
        monkeypatch.setattr(module, "execution_on", lambda _: GPU)


@pytest.mark.usefixtures("as_on_a_gpu")
def test_every_part_is_compared_with_its_peak() -> None:
    limits = gpu.measure_limits(CPU, EXTENT)
    measured = list(gpu.measure(TINY, CPU, EXTENT, limits))
    # The paper's recipe does not distil a network.
    stages = ["n2v", "noise_model", "pn2v", "predict"]
    assert [each.what.rpartition(": ")[2] for each in measured[-5:]] == [*stages, "together"]
    assert measured[-1].seconds == pytest.approx(sum(each.seconds for each in measured[-5:-1]))
    assert [each.unit for each in measured[:4]] == ["patches/s"] * 2 + ["megapixels/s"] * 2
    for each in measured[:4]:
        assert each.fraction is not None
        assert 0 < each.fraction < math.inf
    rendered = gpu.table(measured, CPU, EXTENT, limits)
    assert rendered.row_count == len(measured)
    assert "2 x 64 x 64" in str(rendered.title)


def test_a_rate_follows_from_a_time_and_a_fraction_from_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_step_seconds", lambda *_: 0.5)
    monkeypatch.setattr(work, "step_flop", lambda *_: 30.0)
    step = next(gpu.measure(TINY, CPU, EXTENT, gpu.Limits(bfloat16_flop=600.0, exponentials=1.0)))
    assert (step.seconds, step.rate, step.fraction) == (0.5, 4.0, 0.1)
