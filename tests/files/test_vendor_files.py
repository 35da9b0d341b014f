"""Files of vendors, made here: choice of an image, planes, results and refusals."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.errors import (
    ImageContentError,
    ImageCorruptError,
    ImageSeriesError,
    ImageTooLargeError,
    ImageUnsupportedError,
)
from models_store.image_files.header import ImageLimits
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.tiff.reader import open_planes as open_tiff
from models_store.image_files.tiff.writer import write_planes
from models_store.image_files.vendor.planes import open_vendor_planes
from tests.support.lif_files import LifImage, write_lif

STEP_UM = {"X": 0.1, "Y": 0.11, "Z": 0.5}
COLOURS = ("Green", "Red")


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 250, shape).astype(dtype)


def lif(path: Path, *images: tuple[str, NDArray[Any]]) -> Path:
    """Write images, given by their axes and pixels, which have two colours along C."""
    described = [
        LifImage(f"{number} {axes}", axes, pixels, STEP_UM, COLOURS if "C" in axes else ("Gray",))
        for number, (axes, pixels) in enumerate(images)
    ]
    return write_lif(path, described)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "CYX", "TYX", "TZYX", "TCYX", "CZYX", "TCZYX"])
def test_axes_of_one_plane_are_left_out(reader: Reader, tmp_path: Path, axes: str) -> None:
    lengths = {"T": 3, "C": 2, "Z": 4, "Y": 20, "X": 24}
    pixels = noise(*(lengths[axis] for axis in axes))
    planes = reader.open(lif(tmp_path / "a.lif", (axes, pixels)))
    assert (planes.header.axes, planes.header.shape) == (axes, pixels.shape)
    np.testing.assert_array_equal(np.stack([*planes]).reshape(pixels.shape), pixels)
    size = planes.header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um, size.z_um) == pytest.approx((0.1, 0.11, 0.5 if "Z" in axes else None))


def test_a_scan_without_y_has_planes_of_x_and_z(reader: Reader, tmp_path: Path) -> None:
    pixels_tczx = noise(3, 2, 30, 24)
    planes = reader.open(lif(tmp_path / "xzt.lif", ("TCZX", pixels_tczx)))
    assert (planes.header.axes, planes.header.shape) == ("TCYX", (3, 2, 30, 24))
    size = planes.header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um, size.z_um) == pytest.approx((0.1, 0.5, None))
    np.testing.assert_array_equal(np.stack([*planes]).reshape(3, 2, 30, 24), pixels_tczx)
    assert any("X-Z section" in text for text in planes.header.warnings)


def test_a_line_scan_has_a_plane_of_x_and_t(reader: Reader, tmp_path: Path) -> None:
    pixels_tx = noise(30, 24)
    planes = reader.open(lif(tmp_path / "xt.lif", ("TX", pixels_tx)))
    assert (planes.header.axes, planes.header.pixel_size_um) == ("YX", None)
    np.testing.assert_array_equal(planes[0], pixels_tx)
    assert any("successive times" in text for text in planes.header.warnings)


def test_a_series_is_chosen_by_its_number(reader: Reader, tmp_path: Path) -> None:
    first, second = noise(20, 24), noise(2, 32, 40)
    path = lif(tmp_path / "two.lif", ("YX", first), ("CYX", second))
    planes = reader.open(path, series=1)
    np.testing.assert_array_equal(np.stack([*planes]), second)
    header = planes.header
    assert (header.series, header.channel_names) == (1, COLOURS)
    listed = [(each.index, each.name, each.axes, each.shape) for each in header.series_in_file]
    assert listed == [
        (0, "experiment/0 YX", "YX", (20, 24)),
        (1, "experiment/1 CYX", "CYX", (2, 32, 40)),
    ]


def test_the_only_usable_image_needs_no_choice(reader: Reader, tmp_path: Path) -> None:
    path = lif(tmp_path / "overview.lif", ("YX", noise(8, 8)), ("YX", noise(20, 24)))
    planes, _ = reader.inspect(path)
    assert (planes.header.series, planes.header.shape) == (1, (20, 24))
    assert planes.header.warnings == ("of 2 images in the file, number 1 alone can be denoised",)
    with pytest.raises(ImageContentError, match="8 x 8 pixels"):
        reader.inspect(path, series=0)


def test_of_several_usable_images_one_must_be_named(reader: Reader, tmp_path: Path) -> None:
    path = lif(tmp_path / "two.lif", ("YX", noise(20, 24)), ("YX", noise(30, 24)))
    listed = "0 is 'experiment/0 YX', YX 20 x 24; 1 is 'experiment/1 YX', YX 30 x 24"
    with pytest.raises(ImageSeriesError, match=re.escape(listed)):
        reader.inspect(path)
    with pytest.raises(ImageSeriesError, match=f"no series 2: the file holds 2 images: {re.escape(listed)}"):
        reader.inspect(path, series=2)


def test_a_tiff_has_no_further_series(reader: Reader, noisy_tiff: Path) -> None:
    assert reader.open(noisy_tiff, series=0).header.series is None
    with pytest.raises(ImageSeriesError, match="leave series out"):
        reader.open(noisy_tiff, series=1)


def test_the_content_tells_the_format_not_the_name(reader: Reader, tmp_path: Path, noisy_tiff: Path) -> None:
    as_tiff = lif(tmp_path / "scan.tif", ("YX", noise(20, 24)))
    assert reader.open(as_tiff).header.file_kind == "lif"
    as_lif = tmp_path / "noisy.lif"
    as_lif.write_bytes(noisy_tiff.read_bytes())
    assert reader.open(as_lif).header.file_kind == "tiff"


def test_a_result_is_an_ome_tiff_with_axes_sizes_and_channels(tmp_path: Path) -> None:
    pixels = noise(3, 2, 4, 20, 24)
    source = lif(tmp_path / "a.lif", ("TCZYX", pixels))
    result = tmp_path / "a_denoised.ome.tif"
    with open_planes(source) as planes:
        write_planes(result, (plane.astype("float32") for plane in planes), like=planes)
        before = planes.header
    with open_tiff(result) as again:
        assert again.header.file_kind == "ome"
        kept = {"axes", "shape", "pixel_size_um", "channel_names"}
        assert again.header.model_dump(include=kept) == before.model_dump(include=kept)
        np.testing.assert_array_equal(np.stack([*again]).reshape(pixels.shape), pixels)
    with tifffile.TiffFile(result) as tiff:
        xml = tiff.ome_metadata or ""
    assert 'Name="experiment/0 TCZYX"' in xml
    assert 'TimeIncrement="1.0" TimeIncrementUnit="s"' in xml
    assert f'Color="{0x00FF00FF}"' in xml


def test_a_result_of_over_4_gb_is_a_bigtiff(tmp_path: Path) -> None:
    path = lif(tmp_path / "a.lif", ("YX", noise(20, 24)))
    with open_vendor_planes(path, "lif") as planes:
        assert planes.result_format(np.dtype("float32")).writer == {"bigtiff": False, "ome": True}
        planes.header = planes.header.model_copy(update={"shape": (2200, 1000, 500)})
        assert planes.result_format(np.dtype("float32")).writer == {"bigtiff": True, "ome": True}


def test_limits_apply(reader: Reader, tmp_path: Path) -> None:
    path = lif(tmp_path / "a.lif", ("ZYX", noise(4, 20, 24)))
    for limits in (ImageLimits(plane_px=400), ImageLimits(planes=3), ImageLimits(decoded_bytes=1000)):
        with pytest.raises(ImageTooLargeError):
            reader.open(path, limits)


def _without_last_block(content: bytes) -> bytes:
    return content[:-100]


def _lying_shape(content: bytes) -> bytes:
    claim, lie = ('NumberOfElements="24"'.encode("utf-16-le"), 'NumberOfElements="99"'.encode("utf-16-le"))
    assert claim in content
    return content.replace(claim, lie)


def _huge_shape(content: bytes) -> bytes:
    claim = 'NumberOfElements="24" Origin="0"'.encode("utf-16-le")
    lie = 'NumberOfElements="2400000000"   '.encode("utf-16-le")
    assert len(claim) == len(lie)
    assert claim in content
    return content.replace(claim, lie)


def _only_the_signature(content: bytes) -> bytes:
    return content[:4] + bytes(100)


@pytest.mark.parametrize(
    "damage", [_without_last_block, _lying_shape, _huge_shape, _only_the_signature], ids=lambda f: f.__name__
)
def test_a_broken_file_is_refused(
    isolation: Isolation, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = lif(tmp_path / "a.lif", ("YX", noise(20, 24)))
    path.write_bytes(damage(path.read_bytes()))
    with isolation.reader() as reader, pytest.raises((ImageCorruptError, ImageTooLargeError)):
        reader.inspect(path)


class TestCzi:
    """CZI files written with the vendor's own library."""

    @staticmethod
    def _write(path: Path, *pieces: tuple[NDArray[Any], dict[str, int], int | None, tuple[int, int]]) -> Path:
        czi = pytest.importorskip("pylibCZIrw.czi")
        with czi.create_czi(str(path)) as file:
            for pixels, plane, scene, place in pieces:
                file.write(pixels, plane=plane, location=place, **({} if scene is None else {"scene": scene}))
            file.write_metadata("document", scale_x=1e-7, scale_y=1e-7)
        return path

    def test_scenes_are_series(self, reader: Reader, tmp_path: Path) -> None:
        first, second = noise(40, 50), noise(30, 44)
        path = self._write(tmp_path / "a.czi", (first, {}, 0, (0, 0)), (second, {}, 1, (1000, 0)))
        for series, pixels in enumerate((first, second)):
            np.testing.assert_array_equal(reader.open(path, series=series)[0], pixels)

    def test_tiles_are_stitched_with_a_warning(self, reader: Reader, tmp_path: Path) -> None:
        left, right = noise(40, 50), noise(40, 50) + 1000
        path = self._write(tmp_path / "a.czi", (left, {}, None, (0, 0)), (right, {}, None, (50, 0)))
        planes = reader.open(path)
        np.testing.assert_array_equal(planes[0], np.hstack([left, right]))
        assert any("stitched from 2 tiles" in text for text in planes.header.warnings)

    def test_colour_images_are_refused(self, reader: Reader, tmp_path: Path) -> None:
        path = self._write(tmp_path / "a.czi", (noise(40, 50, 3, dtype="uint8"), {}, None, (0, 0)))
        with pytest.raises(ImageUnsupportedError, match="3 samples per pixel"):
            reader.open(path)

    def test_compressed_and_overlapping_tiles_equal_those_of_the_vendor(
        self, reader: Reader, tmp_path: Path
    ) -> None:
        czi = pytest.importorskip("pylibCZIrw.czi")
        path = tmp_path / "a.czi"
        tiles = np.random.default_rng(1).integers(0, 4000, (4, 40, 50), np.uint16)
        with czi.create_czi(str(path), compression_options="zstd1:ExplicitLevel=2") as file:
            for tile, place in zip(tiles, [(-45, 0), (0, 0), (-45, 36), (0, 36)], strict=True):
                file.write(tile, location=place)
        with czi.open_czi(str(path)) as file:
            expected = file.read()[..., 0]
        assert expected.shape == (76, 95)
        np.testing.assert_array_equal(reader.open(path)[0], expected)
