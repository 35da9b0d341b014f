"""Results keep their source's axes, pixel size, units, channels and ImageJ or OME metadata."""

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from models_store.image_files.pixel_conversion import PixelConversion
from models_store.image_files.planes import PlaneSource
from models_store.image_files.preview import preview_png
from models_store.image_files.tiff.reader import open_planes
from models_store.image_files.tiff.writer import write_planes

HYPERSTACK = np.random.default_rng(0).integers(0, 4000, (3, 4, 2, 20, 30)).astype("uint16")


@pytest.fixture
def imagej(tmp_path: Path) -> Path:
    path = tmp_path / "imagej.tif"
    metadata = {
        "axes": "TZCYX",
        "spacing": 0.5,
        "unit": "\\u00B5m",
        "finterval": 2.5,
        "mode": "composite",
        "Info": "exposure 20 ms, µ",
        "Labels": [f"plane {i}" for i in range(24)],
        "Ranges": (0.0, 1000.0, 5.0, 800.0),
    }
    tifffile.imwrite(path, HYPERSTACK, imagej=True, resolution=(10, 10), metadata=metadata)
    return path


@pytest.fixture
def ome(tmp_path: Path) -> Path:
    path = tmp_path / "source.ome.tif"
    metadata = {
        "axes": "TZCYX",
        "PhysicalSizeX": 0.1,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": 120.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.5,
        "PhysicalSizeZUnit": "µm",
        "TimeIncrement": 2.5,
        "Channel": {
            "Name": ["DAPI", "GFP"],
            "EmissionWavelength": [450, 520],
            "EmissionWavelengthUnit": ["nm"] * 2,
        },
        "Plane": {"PositionX": list(range(24))},
        "Description": "Zellen in Kultur, µ",
    }
    tifffile.imwrite(path, HYPERSTACK, metadata=metadata)
    return path


def _copy(source: Path, dtype: Any = "float32", offset: float = 0.0) -> Path:  # it is a Literal
    target = source.parent / "result.tif"
    with open_planes(source) as planes:
        write_planes(target, (plane_yx + offset for plane_yx in planes), like=planes, dtype=dtype)
    return target


def _read(path: Path) -> tuple[PlaneSource, NDArray[Any]]:
    with open_planes(path) as planes:
        return planes, np.stack(list(planes)).reshape(planes.header.shape)


def test_imagej_metadata_survive(imagej: Path) -> None:
    target = _copy(imagej)
    with tifffile.TiffFile(imagej) as before, tifffile.TiffFile(target) as after:
        assert after.imagej_metadata == before.imagej_metadata
        assert after.series[0].axes == "TZCYX"
        assert after.asarray().dtype == np.float32
        assert after.pages.first.tags["XResolution"].value == before.pages.first.tags["XResolution"].value
        np.testing.assert_array_equal(after.asarray(), HYPERSTACK)
    reader, _ = _read(target)
    size = reader.header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um, size.z_um) == (0.1, 0.1, 0.5)


def test_ome_metadata_survive(ome: Path) -> None:
    target = _copy(ome)
    reader, result = _read(target)
    source, _ = _read(ome)
    np.testing.assert_array_equal(result, HYPERSTACK)
    assert reader.header.dtype == "float32"
    unchanged = {"axes", "shape", "planes", "pixel_size_um", "channel_names", "file_kind"}
    assert reader.header.model_dump(include=unchanged) == source.header.model_dump(include=unchanged)
    with tifffile.TiffFile(ome) as before, tifffile.TiffFile(target) as after:
        original, written = (
            tifffile.xml2dict(tiff.ome_metadata or "")["OME"]["Image"] for tiff in (before, after)
        )
    assert written["Pixels"]["Type"] == "float"
    assert written["Description"] == "Zellen in Kultur, µ"
    for kept in ("Channel", "Plane", "TimeIncrement", "PhysicalSizeY", "PhysicalSizeYUnit"):
        assert written["Pixels"][kept] == original["Pixels"][kept]


@pytest.mark.parametrize("order", ["XYZCT", "XYCTZ", "XYTZC"])
def test_planes_keep_their_position_in_any_order_of_dimensions(tmp_path: Path, order: str) -> None:
    axes = order[::-1]
    planes = HYPERSTACK.transpose([*("TZC".index(axis) for axis in axes[:3]), 3, 4])
    source = tmp_path / "order.ome.tif"
    tifffile.imwrite(source, planes, photometric="minisblack", metadata={"axes": axes})
    with tifffile.TiffFile(_copy(source)) as after:
        assert after.series[0].axes == axes
        np.testing.assert_array_equal(after.asarray(), planes)


def test_micro_manager_axes_channels_and_pixel_size_survive(test_data: Path, tmp_path: Path) -> None:
    source = test_data / "formats/ndtiff_v3_12bit_mda/12_bit_pycromanager_mda_NDTiffStack.tif"
    target = tmp_path / "result.tif"
    with open_planes(source) as planes:
        write_planes(target, planes, like=planes)
        header = planes.header
    reader, result = _read(target)
    kept = {"axes", "shape", "pixel_size_um", "channel_names"}
    assert reader.header.model_dump(include=kept) == header.model_dump(include=kept)
    np.testing.assert_array_equal(result, tifffile.imread(source))  # tifffile reads the index file beside it


def test_a_plain_stack_stays_plain(tmp_path: Path) -> None:
    source = tmp_path / "plain.tif"
    options: dict[str, Any] = {"resolution": (1e5, 2e5), "resolutionunit": "CENTIMETER", "metadata": None}
    tifffile.imwrite(
        source, HYPERSTACK[0, :, 0], photometric="minisblack", description="objective 63x", **options
    )
    target = _copy(source)
    with tifffile.TiffFile(target) as after:
        assert after.pages.first.description == "objective 63x"
        assert after.series[0].axes == "IYX"
    reader, _ = _read(target)
    size = reader.header.pixel_size_um
    assert size is not None
    assert size.x_um == pytest.approx(0.1)
    assert size.y_um == pytest.approx(0.05)


def test_anonymous_axes_and_own_entries_of_a_described_stack_survive(tmp_path: Path) -> None:
    source = tmp_path / "described.tif"
    tifffile.imwrite(source, HYPERSTACK, photometric="minisblack", metadata={"sample": "A7"})
    with tifffile.TiffFile(_copy(source)) as after:
        assert after.series[0].shape == HYPERSTACK.shape
        assert after.shaped_metadata is not None
        assert after.shaped_metadata[0]["sample"] == "A7"


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int64", "float16", "float64"]
)
def test_the_type_of_the_input_can_be_kept(tmp_path: Path, dtype: str) -> None:
    source = tmp_path / "typed.tif"
    planes = (HYPERSTACK[0, :, 0] % 2).astype(dtype)
    tifffile.imwrite(source, planes, photometric="minisblack", metadata=None)
    _, result = _read(_copy(source, dtype="same", offset=0.25))
    assert result.dtype == np.dtype(dtype)
    expected = planes + np.asarray(0.25, "float32") if result.dtype.kind == "f" else planes
    np.testing.assert_allclose(result.astype("float64"), np.asarray(expected, "float64"))


def test_values_outside_the_type_are_clipped_and_the_rest_rounded() -> None:
    plane_yx = np.array([[-3.0, 0.4, 0.6, 254.5, 1e9]], "float32")
    for dtype, expected, clipped in (("uint8", [0, 0, 1, 254, 255], 2), ("int8", [-3, 0, 1, 127, 127], 2)):
        convert = PixelConversion(np.dtype(dtype))
        assert convert(plane_yx).tolist() == [expected]
        assert (convert.clipped, convert.pixels) == (clipped, 5)
    huge = PixelConversion(np.dtype("uint64"))(np.array([[1e30, -1e30]]))
    assert huge[0, 0] > 2**63
    assert huge[0, 1] == 0


@pytest.mark.parametrize("planes", [2, 4])
def test_a_result_with_the_wrong_number_of_planes_leaves_no_file(tmp_path: Path, planes: int) -> None:
    source = tmp_path / "source.tif"
    target = tmp_path / "result.tif"
    tifffile.imwrite(source, HYPERSTACK[:, 0, 0], photometric="minisblack")
    with open_planes(source) as reader, pytest.raises(ValueError, match=r"shorter|longer"):
        write_planes(target, iter([reader[0]] * planes), like=reader)
    assert list(tmp_path.iterdir()) == [source]


def test_an_interrupted_write_keeps_the_previous_file(tmp_path: Path) -> None:
    source, target = tmp_path / "source.tif", tmp_path / "result.tif"
    tifffile.imwrite(source, HYPERSTACK[:, 0, 0], photometric="minisblack")
    target.write_bytes(b"previous")

    def failing(reader: PlaneSource) -> Iterator[NDArray[Any]]:
        yield reader[0]
        raise InterruptedError

    with open_planes(source) as reader, pytest.raises(InterruptedError):
        write_planes(target, failing(reader), like=reader)
    assert target.read_bytes() == b"previous"
    assert sorted(tmp_path.iterdir()) == [target, source]


def _sparse_stack_over_4_gb(path: Path) -> tuple[int, int, int]:
    """Write a sparse ImageJ stack, described only in its first plane; return its shape."""
    shape = (600, 2048, 2048)
    tifffile.imwrite(path, shape=shape, dtype="uint16", imagej=True, truncate=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[0]
        order = tiff.byteorder
    values = np.arange(2048, dtype=f"{order}u2").tobytes()
    with path.open("r+b") as file:
        for plane in (0, 300, 599):
            file.seek(offset + plane * 2048 * 2048 * 2)
            file.write(values)
        file.truncate(offset + math.prod(shape) * 2)
    return shape


def test_imagej_stack_over_4_gb_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "large.tif"
    shape = _sparse_stack_over_4_gb(path)
    assert path.stat().st_size > 2**32
    with open_planes(path) as planes:
        assert (planes.header.axes, planes.header.shape) == ("ZYX", shape)
        for plane in (0, 300, -1):
            assert planes[plane][0].tolist() == list(range(2048))
        assert not planes[1].any()
    path.unlink()


@pytest.mark.parametrize("shape", [(40, 30), (512, 512), (513, 20), (2048, 1500), (16, 5000)])
def test_preview_fits_and_uses_the_whole_grey_range(shape: tuple[int, int]) -> None:
    plane_yx = np.random.default_rng(0).normal(1000, 50, shape).astype("float32")
    plane_yx[0, 0] = 1e6  # one hot pixel must not blacken the rest
    with Image.open(io.BytesIO(preview_png(plane_yx))) as picture:
        grey = np.asarray(picture)
    assert max(grey.shape) <= 512
    shrink = shape[1] / grey.shape[1]
    assert abs(grey.shape[0] - shape[0] / shrink) <= 1
    assert grey.dtype == np.uint8
    assert (grey.min(), grey.max()) == (0, 255)
    assert 64 < grey.mean() < 192


def test_preview_shows_only_finite_values() -> None:
    plane_yx = np.arange(400.0).reshape(20, 20)
    plane_yx[0], plane_yx[1] = np.nan, np.inf
    with Image.open(io.BytesIO(preview_png(plane_yx))) as picture:
        grey = np.asarray(picture)
    assert not grey[0].any()
    assert grey[1].min() == 255
    assert 100 < grey[11].mean() < 155


def test_preview_of_a_constant_plane_is_black() -> None:
    with Image.open(io.BytesIO(preview_png(np.full((20, 20), 7, "uint8")))) as picture:
        assert not np.asarray(picture).any()
