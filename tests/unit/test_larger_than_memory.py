"""A stack of 20 GB, in sparse files, goes through inspection, plan and prediction in little memory."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import psutil
import pytest
import tifffile
import torch
import zarr

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.prediction_specs import PredictPartSpec
from models_store.contracts.vocabulary import Preset, Reuse
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from tests.support.peak_memory import peak_mb_with
from tests.support.zarr_files import attributes_of, described
from worker.offline.run import offline_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc"),
]

PLANES, SIDE_PX = 10_240, 1024
PLANE_BYTES = 2 * SIDE_PX**2
UINT16_OF_MRC, HEADER_BYTES_OF_MRC = 6, 1024
PART_PLANES = 4
LIMIT_MB = 1500


def write_tiff(folder: Path) -> Path:
    """Write a BigTIFF."""
    path = folder / "stack.tif"
    shape = (PLANES, SIDE_PX, SIDE_PX)
    stack = tifffile.memmap(
        path, shape=shape, dtype=np.uint16, bigtiff=True, photometric="minisblack", metadata={"axes": "TYX"}
    )
    offset_bytes = stack.offset
    del stack
    write_planes_in(path, offset_bytes)
    return path


def write_mrc(folder: Path) -> Path:
    """Write an MRC stack, which the library of vendors' formats reads."""
    path = folder / "stack.mrc"
    with mrcfile.new_mmap(path, (PLANES, SIDE_PX, SIDE_PX), mrc_mode=UINT16_OF_MRC) as file:
        file.set_image_stack()
    write_planes_in(path, HEADER_BYTES_OF_MRC)
    return path


def write_zarr(folder: Path) -> Path:
    """Write an OME-Zarr with a chunk for each plane."""
    path = folder / "stack.ome.zarr"
    group = zarr.open_group(path, mode="w", attributes=attributes_of(3, described("tyx")))
    group.create_array(
        "0", shape=(PLANES, SIDE_PX, SIDE_PX), chunks=(1, SIDE_PX, SIDE_PX), dtype="uint16", compressors=None
    )
    for plane in range(PLANES):
        chunk = path / "0" / "c" / str(plane) / "0" / "0"
        chunk.parent.mkdir(parents=True)
        with chunk.open("wb") as file:
            file.truncate(PLANE_BYTES)
    for plane, content in read_planes():
        (path / "0" / "c" / str(plane) / "0" / "0").write_bytes(content)
    return path


def write_planes_in(path: Path, offset_bytes: int) -> None:
    with path.open("r+b") as file:
        for plane, content in read_planes():
            file.seek(offset_bytes + plane * PLANE_BYTES)
            file.write(content)


def read_planes() -> Iterator[tuple[int, bytes]]:
    """Yield the planes that are read, with their numbers; the others are holes."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX] / 40
    photons_yx = 60 + 40 * np.sin(y) * np.cos(x)
    for plane in (0, 1, PLANES // 2, PLANES - 1):
        yield plane, (100 + 2 * rng.poisson(photons_yx)).astype("<u2").tobytes()


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
        run.begin(spec)
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


@pytest.mark.parametrize("write", [write_tiff, write_mrc, write_zarr])
def test_a_stack_of_20_gb_takes_little_memory_and_no_copy(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    source = write(tmp_path)
    files = [each for each in (source, *source.rglob("*")) if each.is_file()]
    assert sum(each.stat().st_size for each in files) > 20 * 2**30
    assert sum(each.stat().st_blocks for each in files) * 512 < 2**30
    assert peak_mb_with(denoise_a_part, source) < LIMIT_MB
    figures = (tmp_path / "figures.json").read_text("utf-8")
    assert json.loads(figures)["reading_mb"] < LIMIT_MB
    assert json.loads(figures)["copied_bytes"] < 2**28
