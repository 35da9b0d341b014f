"""Results are the same image to every reader: ClearScope's own, tifffile and ome-types."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.contracts.vocabulary import OutputDtype, OutputFormat, TiffCompression
from models_store.image_files.header import ImageHeader
from models_store.image_files.opening import open_planes
from models_store.image_files.results.result_file import ResultOptions, write_result
from models_store.image_files.tiff import result_metadata

SHAPE = {"T": 2, "C": 2, "Z": 3, "Y": 40, "X": 32}
METADATA: dict[str, Any] = {
    "PhysicalSizeX": 0.1,
    "PhysicalSizeXUnit": "µm",
    "PhysicalSizeY": 0.2,
    "PhysicalSizeYUnit": "µm",
    "PhysicalSizeZ": 0.5,
    "PhysicalSizeZUnit": "µm",
    "TimeIncrement": 2.5,
    "TimeIncrementUnit": "s",
    "Channel": {"Name": ["DAPI", "GFP"], "Color": [65535, 16711935]},
}
IMAGEJ = {"imagej": True, "resolution": (10, 5), "metadata": {"unit": "um", "spacing": 0.5, "finterval": 2.5}}
OME = {"ome": True, "metadata": METADATA}


def _source(folder: Path, axes: str, options: dict[str, Any]) -> Path:
    path = folder / "source.tif"
    pixels = np.random.default_rng(0).integers(0, 4000, [SHAPE[axis] for axis in axes]).astype("uint16")
    tifffile.imwrite(path, pixels, **{**options, "metadata": {**options["metadata"], "axes": axes}})
    return path


def _copied(source: Path, target: Path, **options: Any) -> Path:
    with open_planes(source) as planes:
        write_result(target, planes, like=planes, options=ResultOptions(dtype=OutputDtype.SAME, **options))
    return target


def _read(path: Path, axes: str) -> tuple[ImageHeader, NDArray[Any]]:
    """Return the header and the pixels, whose axes are put in order."""
    with open_planes(path) as planes:
        header, pixels = planes.header, np.stack(list(planes)).reshape(planes.header.shape)
    assert sorted(header.axes) == sorted(axes)
    return header, pixels.transpose([header.axes.index(axis) for axis in axes])


@pytest.mark.parametrize("options", [IMAGEJ, OME])
@pytest.mark.parametrize(
    ("file_format", "name"),
    [(OutputFormat.OME_ZARR, "result.ozx"), (OutputFormat.OME_TIFF, "result.ome.tif")],
)
def test_the_own_readers_find_the_same_image(
    tmp_path: Path, options: dict[str, Any], file_format: OutputFormat, name: str
) -> None:
    source = _source(tmp_path, "TZCYX", options)
    before, expected = _read(source, "TZCYX")
    after, pixels = _read(_copied(source, tmp_path / name, file_format=file_format), "TZCYX")
    np.testing.assert_array_equal(pixels, expected)
    assert after.channel_names == before.channel_names
    sizes = [header.pixel_size_um for header in (before, after)]
    assert [[size.x_um, size.y_um, size.z_um] for size in sizes if size is not None] == [
        pytest.approx([0.1, 0.2, 0.5])
    ] * 2


@pytest.mark.parametrize("options", [IMAGEJ, OME])
def test_ome_types_finds_axes_sizes_times_names_and_colours(tmp_path: Path, options: dict[str, Any]) -> None:
    source = _source(tmp_path, "TZCYX", options)
    result = _copied(source, tmp_path / "result.ome.tif", file_format=OutputFormat.OME_TIFF)
    pixels = ome_types.from_tiff(result).images[0].pixels
    sizes = (pixels.size_t, pixels.size_c, pixels.size_z, pixels.size_y, pixels.size_x)
    assert sizes == tuple(SHAPE.values())
    assert (pixels.physical_size_x, pixels.physical_size_y, pixels.physical_size_z) == (0.1, 0.2, 0.5)
    assert (pixels.time_increment, pixels.time_increment_unit.value) == (2.5, "s")
    if options is OME:
        assert [channel.name for channel in pixels.channels] == ["DAPI", "GFP"]
        assert [channel.color.as_hex() for channel in pixels.channels] == ["#00f", "#0f0"]


@pytest.mark.parametrize("compression", list(TiffCompression))
@pytest.mark.parametrize("tiled", [False, True])
def test_large_planes_are_compressed_and_tiled(
    tmp_path: Path,
    compression: TiffCompression,
    tiled: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    source = tmp_path / "source.ome.tif"
    planes = np.random.default_rng(1).integers(0, 99, (2, 600, 1100)).astype("uint16")
    tifffile.imwrite(source, planes, metadata={"axes": "ZYX"})
    result = _copied(source, tmp_path / "result.ome.tif", compression=compression, tiled=tiled)
    with tifffile.TiffFile(result) as tiff:
        np.testing.assert_array_equal(tiff.asarray(), planes)
        assert len(tiff.pages) == 2
        assert tiff.pages.first.is_tiled == tiled
        assert (result.stat().st_size < planes.nbytes / 1.5) == (compression is not TiffCompression.NONE)


def test_a_compressed_imagej_stack_over_4_gb_is_ome_tiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _source(tmp_path, "TZCYX", IMAGEJ)
    monkeypatch.setattr(result_metadata, "_CLASSIC_BYTES", math.prod(SHAPE.values()))
    result = _copied(source, tmp_path / "result.tif", compression=TiffCompression.DEFLATE)
    with tifffile.TiffFile(result) as tiff:
        assert (tiff.is_ome, tiff.is_imagej, tiff.is_bigtiff) == (True, False, True)
        np.testing.assert_array_equal(tiff.asarray(), tifffile.imread(source))
