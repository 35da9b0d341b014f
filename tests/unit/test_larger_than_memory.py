"""A stack of 20 GB, in a sparse file, goes through inspection, plan and prediction in little memory."""

import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
import torch

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.prediction_specs import PredictPartSpec
from models_store.contracts.vocabulary import Preset, Reuse
from models_store.job_requests.plan_denoise import KnownModels, plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from tests.support.peak_memory import peak_mb_with
from worker.offline.run import offline_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc"),
]

PLANES, SIDE_PX = 10_240, 1024
PART_PLANES = 4
LIMIT_MB = 1500


def write_sparse(path: Path) -> None:
    """Write a BigTIFF of 20 GiB that holds pixels where they are read, and holes elsewhere."""
    shape = (PLANES, SIDE_PX, SIDE_PX)
    stack = tifffile.memmap(
        path, shape=shape, dtype=np.uint16, bigtiff=True, photometric="minisblack", metadata={"axes": "TYX"}
    )
    offset = stack.offset
    del stack
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 40
    photons_yx = 60 + 40 * np.sin(y) * np.cos(x)
    with path.open("r+b") as file:
        for plane in (0, 1, PLANES // 2, PLANES - 1):
            file.seek(offset + plane * SIDE_PX**2 * 2)
            file.write((100 + 2 * rng.poisson(photons_yx)).astype("<u2").tobytes())


def denoise_a_part(source: Path, target: Path) -> None:
    """Inspect and plan a stack, choose the estimate, and denoise its first planes; write figures."""
    with offline_run(source.parent, device=torch.device("cpu"), show=lambda *_: None) as run:
        image_id, header, _ = run.add_image(source)
        images = [ImageExtent(image_id, header.planes, header.height_px * header.width_px)]
        spec = DenoiseSpec(image_ids=[image_id], preset=Preset.INSTANT, reuse=Reuse.NONE)
        extent = PredictionExtent(images, PART_PLANES * SIDE_PX**2)
        plan = plan_denoise(spec, KnownModels(profile=None), extent, iter(map(str, range(10**4))).__next__)
        parts = [stage for stage in plan.stages if isinstance(stage.spec, PredictPartSpec)]
        until = plan.stages.index(parts[0]) + 1
        first = replace(parts[0], spec=parts[0].spec.model_copy(update={"planes": PART_PLANES}))
        run.carry_out_plan(replace(plan, stages=[*plan.stages[: until - 1], first]))
        temporary = [path for path in Path(tempfile.gettempdir()).rglob("*") if not path.is_symlink()]
        figures = {
            "reading_mb": max(peak_of(each.pid) for each in psutil.Process().children(recursive=True)),
            "copied_bytes": sum(path.stat().st_size for path in temporary if path.is_file()),
        }
        source.with_name("figures.json").write_text(json.dumps(figures), encoding="utf-8")
        target.touch()


def peak_of(process_id: int) -> int:
    """Return the peak memory of a process, MB."""
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(":", 1) for line in status)["VmHWM"].split()[0]) // 1024


def test_a_stack_of_20_gb_takes_little_memory_and_no_copy(tmp_path: Path) -> None:
    source = tmp_path / "stack.tif"
    write_sparse(source)
    assert source.stat().st_size > 20 * 2**30
    assert source.stat().st_blocks * 512 < 2**30
    assert peak_mb_with(denoise_a_part, source) < LIMIT_MB
    figures = (tmp_path / "figures.json").read_text("utf-8")
    assert json.loads(figures)["reading_mb"] < LIMIT_MB
    assert json.loads(figures)["copied_bytes"] < 2**28
