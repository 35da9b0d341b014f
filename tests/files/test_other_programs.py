"""Results opened by other programs: bioio and its plugins, SimpleITK, and a validator of the OME schema.

`make test-slow` installs them and tells in CLEARSCOPE_OTHER_PROGRAMS which Python has them.
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models_store.contracts.vocabulary import OutputDtype, OutputFormat, TiffCompression
from models_store.image_files.opening import open_planes
from models_store.image_files.results.ome_zarr.archive import unpack
from models_store.image_files.results.result_file import ResultOptions, write_result
from tests.support.reader_kinds import KINDS, ReaderKind

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("CLEARSCOPE_OTHER_PROGRAMS")
SCRIPT = Path(__file__).parents[1] / "support" / "other_programs.py"
PIXELS_TZCYX = np.random.default_rng(0).integers(0, 4000, (2, 3, 2, 40, 32)).astype(np.uint16)
OME = {
    "axes": "TZCYX",
    "Channel": {"Name": ["DAPI", "GFP"]},
    "TimeIncrement": 2.5,
    "PhysicalSizeX": 0.1,
    "PhysicalSizeY": 0.2,
    "PhysicalSizeZ": 0.5,
}
IMAGEJ = {"axes": "TZCYX", "unit": "um", "spacing": 0.5, "finterval": 2.5}


def read_by(program: str, path: Path) -> dict[str, Any]:
    if PYTHON is None:
        pytest.skip("CLEARSCOPE_OTHER_PROGRAMS names no Python that has them")
    run = subprocess.run([PYTHON, SCRIPT, program, path], capture_output=True, text=True, check=False, env={})
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def result_of(source: Path, target: Path, **options: Any) -> Path:
    with open_planes(source) as planes:
        write_result(target, planes, like=planes, options=ResultOptions(dtype=OutputDtype.SAME, **options))
    return target


@pytest.fixture(params=["ome", "imagej"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "source.tif"
    if request.param == "ome":
        tifffile.imwrite(path, PIXELS_TZCYX, ome=True, metadata=OME)
    else:
        tifffile.imwrite(path, PIXELS_TZCYX, imagej=True, resolution=(10, 5), metadata=IMAGEJ)
    return path


def assert_is_the_image(found: dict[str, Any], source: Path) -> None:
    assert (found["axes"], found["shape"], found["dtype"]) == ("TCZYX", [2, 2, 3, 40, 32], "uint16")
    assert found["step_um"] == pytest.approx([0.5, 0.2, 0.1])
    assert found["sha256"] == hashlib.sha256(PIXELS_TZCYX.swapaxes(1, 2).tobytes()).hexdigest()
    with tifffile.TiffFile(source) as tiff:
        if tiff.is_ome:
            assert found["channels"] == ["DAPI", "GFP"]


@pytest.mark.parametrize("compression", list(TiffCompression))
def test_bioio_opens_an_ome_tiff(source: Path, tmp_path: Path, compression: TiffCompression) -> None:
    options = {"file_format": OutputFormat.OME_TIFF, "compression": compression}
    assert_is_the_image(read_by("bioio", result_of(source, tmp_path / "result.ome.tif", **options)), source)


def test_bioio_opens_an_ome_zarr(source: Path, tmp_path: Path) -> None:
    archive = result_of(source, tmp_path / "result.ozx", file_format=OutputFormat.OME_ZARR)
    unpack(archive, tmp_path / "result.ome.zarr")
    found = read_by("bioio", tmp_path / "result.ome.zarr")
    assert_is_the_image(found, source)
    assert found["interval_s"] == 2.5


def test_simpleitk_opens_all_planes_of_an_ome_tiff(source: Path, tmp_path: Path) -> None:
    found = read_by(
        "simpleitk", result_of(source, tmp_path / "result.ome.tif", file_format=OutputFormat.OME_TIFF)
    )
    assert (found["shape"], found["dtype"]) == ([12, 40, 32], "uint16")
    assert found["sha256"] == hashlib.sha256(PIXELS_TZCYX.tobytes()).hexdigest()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_ome_xml_of_results_keeps_to_the_schema(kind: ReaderKind, tmp_path: Path) -> None:
    source, _ = kind.written(tmp_path / "source")
    result = result_of(source, tmp_path / "result.ome.tif", file_format=OutputFormat.OME_TIFF)
    assert read_by("schema", result) == {"errors": []}


@pytest.mark.parametrize(
    "name", ["czi_CellDivision_T3_Z5_CH2_X240_Y170.czi", "nd2_cluster.nd2", "sif_image.sif"]
)
def test_ome_xml_of_results_of_microscopes_files_keeps_to_the_schema(
    name: str, test_data: Path, tmp_path: Path
) -> None:
    result = result_of(
        test_data / "vendor" / name, tmp_path / "result.ome.tif", file_format=OutputFormat.OME_TIFF
    )
    assert read_by("schema", result) == {"errors": []}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_ome_xml_beside_the_arrays_of_results_keeps_to_the_schema(kind: ReaderKind, tmp_path: Path) -> None:
    source, _ = kind.written(tmp_path / "source")
    result_of(source, tmp_path / "result.ozx", file_format=OutputFormat.OME_ZARR)
    unpack(tmp_path / "result.ozx", tmp_path / "result.ome.zarr")
    xml = tmp_path / "result.ome.zarr" / "OME" / "METADATA.ome.xml"
    assert read_by("schema", xml) == {"errors": []}
