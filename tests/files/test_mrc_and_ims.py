"""MRC and Imaris files, written by other libraries: header, planes, result, and what is broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import mrcfile
import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.errors import ImageError, ImageUnsupportedError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from tests.support.imaris_files import write_ims
from tests.support.microscope_files import noise


def write_mrc(path: Path, pixels: NDArray[Any]) -> Path:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(pixels)
        file.voxel_size = (1000, 2000, 5000)  # Angstrom along X, Y and Z
    return path


def ims(path: Path) -> Path:
    return write_ims(path, noise(3, 2, 5, 20, 24), (0.1, 0.2, 0.5), ("DAPI", "GFP"))


def mrc(path: Path) -> Path:
    return write_mrc(path, noise(5, 20, 24))


BOTH = pytest.mark.parametrize(("write", "name"), [(ims, "a.ims"), (mrc, "a.mrc")], ids=["ims", "mrc"])


def test_an_imaris_file_is_read(reader: Reader, tmp_path: Path) -> None:
    planes = reader.open(ims(tmp_path / "a.ims"))
    header = planes.header
    assert (header.file_kind, header.axes, header.shape) == ("ims", "TCZYX", (3, 2, 5, 20, 24))
    assert (header.dtype, header.channel_names) == ("uint16", ("DAPI", "GFP"))
    assert (header.channel_colours, header.time_interval_s) == (("#00FF00", "#00FF00"), 2)
    size = header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um, size.z_um) == pytest.approx((0.1, 0.2, 0.5))
    pixels = noise(3, 2, 5, 20, 24).reshape(-1, 20, 24)
    for plane in (29, 0, 17, 5, 3, 28):
        np.testing.assert_array_equal(planes[plane], pixels[plane])


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint16", "float16", "float32"])
def test_a_volume_of_mrc_is_read(reader: Reader, tmp_path: Path, dtype: str) -> None:
    pixels = noise(5, 20, 24, dtype=dtype)
    planes = reader.open(write_mrc(tmp_path / "a.mrc", pixels))
    header = planes.header
    expected = "float32" if dtype == "float16" else dtype
    assert (header.file_kind, header.axes, header.shape) == ("mrc", "ZYX", (5, 20, 24))
    assert header.dtype == expected
    size = header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um, size.z_um) == pytest.approx((0.1, 0.2, 0.5))
    np.testing.assert_array_equal(np.stack([*planes]), pixels.astype(expected))


def test_a_stack_of_mrc_has_an_axis_of_its_own(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "movie.mrc"
    with mrcfile.new(path) as file:
        file.set_data(noise(5, 20, 24, dtype="float32"))
        file.set_image_stack()
    assert reader.open(path).header.axes == "TYX"


@BOTH
@pytest.mark.parametrize("at", [3, 60, 211, 2000])
def test_a_flipped_byte_of_the_header_harms_nothing_else(
    isolation: Isolation, tmp_path: Path, write: Callable[[Path], Path], name: str, at: int
) -> None:
    path = write(tmp_path / name)
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    path.write_bytes(content)
    pixels = noise(3, 2, 5, 20, 24) if name == "a.ims" else noise(5, 20, 24)
    with isolation.reader() as reader:
        try:
            read = np.stack([*reader.open(path)])
        except ImageError as refusal:
            assert refusal.detail  # noqa: PT017  # a file may also be read
            return
    assert np.count_nonzero(read != pixels.reshape(read.shape)) <= 1


def test_hdf5_of_another_program_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["data"] = noise(4, 32, 40)
    with pytest.raises(ImageUnsupportedError, match="an HDF5 file, but not one of Imaris"):
        reader.open(path)


def test_complex_pixels_are_refused(reader: Reader, tmp_path: Path) -> None:
    path = write_mrc(tmp_path / "fourier.mrc", noise(5, 20, 24).astype("complex64"))
    with pytest.raises(ImageUnsupportedError, match="type complex"):
        reader.open(path)
