"""Files of one page each without metadata, as one image if their names count them."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.errors import ImageUnsupportedError
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.writer import write_planes
from tests.support.tiff_sets import noisy, tiff_with, zipped

PIXELS = noisy(12, 24, 32)


def numbered(pattern: str = "run/T{}.tif") -> dict[str, bytes]:
    return {pattern.format(number): tiff_with(plane, "") for number, plane in enumerate(PIXELS)}


def test_numbered_files_are_one_series_in_the_order_of_their_numbers(reader: Reader, tmp_path: Path) -> None:
    planes = reader.open(zipped(tmp_path / "set.zip", numbered()))  # T10 comes after T9, not after T1
    assert (planes.header.axes, planes.header.shape) == ("IYX", PIXELS.shape)
    np.testing.assert_array_equal(np.stack([*planes]), PIXELS)
    assert planes.header.warnings == (
        "the 12 files are read as one series, in the order of the numbers in their names",
    )
    result = tmp_path / "result.tif"
    write_planes(result, planes, like=planes, dtype="same")
    np.testing.assert_array_equal(tifffile.imread(result), PIXELS)


def test_a_missing_number_is_told(reader: Reader, tmp_path: Path) -> None:
    files = numbered()
    del files["run/T4.tif"]
    header = reader.open(zipped(tmp_path / "set.zip", files)).header
    assert header.shape == (11, 24, 32)
    assert header.warnings[0].endswith("; number 4 is missing")


def test_a_single_file_is_read_as_it_is_without_an_archive(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, PIXELS, imagej=True, metadata={"axes": "TYX"})
    planes = reader.open(zipped(tmp_path / "set.zip", {"stack.tif": path.read_bytes()}))
    assert planes.header == reader.open(path).header
    np.testing.assert_array_equal(np.stack([*planes]), PIXELS)


@pytest.mark.parametrize("names", [["t0_c0", "t0_c1", "t1_c0", "t1_c1"], ["cell", "nucleus"], ["T1", "T01"]])
def test_names_that_count_nothing_are_refused(reader: Reader, tmp_path: Path, names: list[str]) -> None:
    files = {f"{name}.tif": tiff_with(PIXELS[0], "") for name in names}
    with pytest.raises(
        ImageUnsupportedError, match=r"no metadata tells how the . TIFF files .* save them as one"
    ):
        reader.open(zipped(tmp_path / "set.zip", files))


@pytest.mark.parametrize(
    ("other", "found"),
    [(PIXELS[:2], "'T3.tif' has 2 pages"), (PIXELS[0, :20], r"'T3.tif' has a page of 32 x 20 pixels")],
)
def test_files_that_differ_are_refused(reader: Reader, tmp_path: Path, other: np.ndarray, found: str) -> None:
    files = numbered("T{}.tif") | {"T3.tif": tiff_with(other, "")}
    with pytest.raises(ImageUnsupportedError, match=found):
        reader.open(zipped(tmp_path / "set.zip", files))
