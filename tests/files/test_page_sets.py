"""Which pages of a file are the image: stacks in pieces, thumbnails, labels, colours that are none."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.errors import ImageUnsupportedError
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.reader import open_planes
from tests.support.microscope_files import copied, noise, write_pages

pytestmark = pytest.mark.filterwarnings("ignore:.*stored as RGB")


def _add(path: Path, page: NDArray[Any], **options: Any) -> None:
    tifffile.imwrite(path, page, append=path.exists(), **{"photometric": "minisblack", **options})


def test_a_stack_written_plane_by_plane(tmp_path: Path) -> None:
    path, planes = tmp_path / "appended.tif", noise(6, 32, 40)
    for plane_yx in planes:
        _add(path, plane_yx)
    file = copied(path)
    assert (file.header.axes, file.header.shape, file.header.warnings) == ("IYX", (6, 32, 40), ())
    np.testing.assert_array_equal(file.pixels, planes)


def test_stacks_written_one_after_the_other(tmp_path: Path) -> None:
    path, planes = tmp_path / "volumes.tif", noise(3, 4, 32, 40)
    for stack in planes:
        _add(path, stack, metadata={"axes": "ZYX"})
    file = copied(path)
    assert (file.header.axes, file.header.shape) == ("IZYX", planes.shape)
    np.testing.assert_array_equal(file.pixels.reshape(planes.shape), planes)


def test_planes_of_differing_compression_are_one_stack(tmp_path: Path) -> None:
    path, planes = tmp_path / "mixed.tif", noise(5, 32, 40)
    options: list[dict[str, Any]] = [{}, {"compression": "zlib"}, {"compression": "lzw", "predictor": True}]
    for number, plane_yx in enumerate(planes):
        _add(path, plane_yx, metadata=None, **options[number % 3])
    np.testing.assert_array_equal(copied(path).pixels, planes)


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("kind", ["thumbnail", "label"])
def test_a_thumbnail_or_label_is_left_out_and_told(tmp_path: Path, kind: str, place: str) -> None:
    path, planes = tmp_path / "odd.tif", noise(3, 32, 40)
    odd = noise(16, 16) if kind == "thumbnail" else noise(20, 20, 3, dtype="uint8")
    options: dict[str, Any] = {} if kind == "thumbnail" else {"photometric": "rgb"}
    if place == "first":
        _add(path, odd, metadata=None, **options)
    for plane_yx in planes:
        _add(path, plane_yx, metadata=None)
    if place == "last":
        _add(path, odd, metadata=None, **options)
    file = copied(path)
    np.testing.assert_array_equal(file.pixels, planes)
    (warning,) = file.header.warnings
    assert warning.startswith(f"page {1 if place == 'first' else 4} of the file (")
    assert "left out" in warning


def test_a_page_of_another_type_is_named(tmp_path: Path) -> None:
    path = tmp_path / "types.tif"
    for number, plane_yx in enumerate(noise(4, 32, 40)):
        _add(path, plane_yx.astype("float32" if number == 2 else "uint16"), metadata=None)
    with (
        pytest.raises(ImageUnsupportedError, match=r"page 3 of the file \(40 x 32 pixels, 32 bits float\)"),
        open_planes(path),
    ):
        pass


def test_an_odd_page_deep_in_a_long_stack_is_seen(tmp_path: Path) -> None:
    pages = [*noise(30, 32, 40)]
    pages[13] = pages[13].astype("int16")
    path = write_pages(tmp_path / "long.tif", pages)
    with pytest.raises(ImageUnsupportedError, match="page 14"), open_planes(path):
        pass


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("count", [3, 4])
@pytest.mark.parametrize("metadata", [None, {}, {"axes": "ZYX"}])
def test_three_or_four_planes_are_no_colours(
    tmp_path: Path, count: int, dtype: str, metadata: dict[str, str] | None
) -> None:
    planes = noise(count, 32, 40, dtype=dtype)
    path = tmp_path / "few.tif"
    tifffile.imwrite(path, planes, metadata=metadata)
    file = copied(path)
    np.testing.assert_array_equal(file.pixels, planes)
    assert file.header.axes == ("ZYX" if metadata else "IYX")
    assert "as if they were colours" in file.header.warnings[0]


def test_separate_samples_are_channels(tmp_path: Path) -> None:
    planes = noise(2, 32, 40)
    path = tmp_path / "samples.tif"
    tifffile.imwrite(path, planes, photometric="minisblack", planarconfig="separate", metadata=None)
    file = copied(path)
    assert file.header.axes == "CYX"
    np.testing.assert_array_equal(file.pixels, planes)


@pytest.mark.parametrize("alphas", [0, 1])
def test_equal_samples_are_grey(reader: Reader, tmp_path: Path, alphas: int) -> None:
    grey = noise(2, 32, 40, dtype="uint8")
    samples = [grey, grey, grey] + [np.full_like(grey, 255)] * alphas
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, np.stack(samples, -1), photometric="rgb", metadata=None)
    np.testing.assert_array_equal(copied(path).pixels, grey)
    assert reader.inspect(path)[0].header.dtype == "uint8"


def test_colour_on_a_later_page_is_refused(reader: Reader, tmp_path: Path) -> None:
    pages = np.repeat(noise(3, 32, 40, 1, dtype="uint8"), 3, -1)
    pages[2, 5, 5, 0] += 1
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, pages, photometric="rgb", metadata=None)
    with pytest.raises(ImageUnsupportedError, match="plane 3 is in colour"):
        reader.inspect(path)


def test_a_palette_of_greys_is_looked_up(tmp_path: Path) -> None:
    numbers = noise(32, 40, dtype="uint8")
    greys = np.random.default_rng(1).permutation(256)
    path = tmp_path / "palette.tif"
    palette = np.tile(greys * 257, (3, 1)).astype("uint16")
    tifffile.imwrite(path, numbers, photometric="palette", colormap=palette)
    file = copied(path)
    assert file.header.dtype == "uint8"
    np.testing.assert_array_equal(file.pixels[0], greys[numbers])


def test_a_falling_palette_shows_white_as_zero(tmp_path: Path) -> None:
    numbers = noise(32, 40, dtype="uint8")
    path = tmp_path / "palette.tif"
    palette = np.tile(np.arange(255, -1, -1) * 257, (3, 1)).astype("uint16")
    tifffile.imwrite(path, numbers, photometric="palette", colormap=palette)
    file = copied(path)
    assert file.header.white_is_zero
    np.testing.assert_array_equal(file.pixels[0], numbers)


@pytest.mark.parametrize(("axes", "pages", "shape"), [("TYX", 3, (3,)), ("TZYX", 4, (2, 2))])
def test_fewer_pages_than_described(tmp_path: Path, axes: str, pages: int, shape: tuple[int, ...]) -> None:
    described = {"TYX": "[5, 32, 40]", "TZYX": "[4, 2, 32, 40]"}[axes]
    text = f'{{"shape": {described}, "axes": "{axes}"}}'
    planes = noise(pages, 32, 40)
    path = write_pages(tmp_path / "short.tif", planes, text)
    file = copied(path)
    assert (file.header.axes, file.header.shape[:-2]) == (axes, shape)
    assert f"{pages} of " in file.header.warnings[0]
    np.testing.assert_array_equal(file.pixels, planes)


def test_marked_copies_hide_no_axes(tmp_path: Path) -> None:
    planes = noise(2, 3, 32, 40)
    path = tmp_path / "copies.tif"
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(planes, photometric="minisblack", metadata={"axes": "TZYX"})
        tiff.write(planes[0, 0, ::2, ::2], photometric="minisblack", subfiletype=1)
    file = copied(path)
    assert (file.header.axes, file.header.warnings) == ("TZYX", ())
    np.testing.assert_array_equal(file.pixels.reshape(planes.shape), planes)


def test_many_odd_pages_are_counted(tmp_path: Path) -> None:
    planes = noise(3, 64, 64)
    path = write_pages(tmp_path / "odd.tif", [*planes, *(noise(16, side) for side in range(16, 28))])
    warnings = copied(path).header.warnings
    assert len(warnings) == 5
    assert warnings[-1] == "8 more pages of other sizes are left out"
