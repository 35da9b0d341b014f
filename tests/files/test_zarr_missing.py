"""Chunks of an OME-Zarr that were never written: they are missing, not dark, and it is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.errors import ImageContentError
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from tests.support.zarr_files import write_ome_zarr

Options = dict[str, Any]
# Shards of one plane, or of several.
LAYOUTS: list[Options] = [
    {"zarr_format": 2, "chunks": (1, 1, 16, 24)},
    {"chunks": (1, 1, 16, 24)},
    {"chunks": (1, 1, 16, 24), "shards": (1, 1, 32, 24)},
    {"chunks": (1, 1, 16, 24), "shards": (4, 2, 64, 48)},
]
OME = {"omero": {"channels": [{"label": label} for label in "AB"]}}


def noise(*shape: int, dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(0).integers(90, 300, shape).astype(dtype)


@pytest.mark.parametrize("options", LAYOUTS)
def test_an_acquisition_that_stopped_early_has_the_planes_that_were_written(
    reader: Reader, tmp_path: Path, options: Options
) -> None:
    pixels = noise(10, 3, 40, 24)
    path = write_ome_zarr(tmp_path / "a.zip", pixels, "tzyx", written=[np.s_[:4]], fill_value=0, **options)
    planes, _ = reader.inspect(path)
    assert (planes.header.axes, planes.header.shape) == ("TZYX", (4, 3, 40, 24))
    assert planes.header.warnings == ("12 of 30 planes are in the file",)
    np.testing.assert_array_equal(np.stack([*planes]), pixels[:4].reshape(-1, 40, 24))


def test_a_channel_that_was_not_recorded_is_left_out_with_its_name(reader: Reader, tmp_path: Path) -> None:
    pixels = noise(3, 2, 40, 24)
    path = write_ome_zarr(
        tmp_path / "a.zip", pixels, "tcyx", written=[np.s_[:, 1]], ome=OME, chunks=(1, 1, 40, 24)
    )
    planes = reader.open(path)
    assert (planes.header.axes, planes.header.channel_names) == ("TYX", ("B",))
    np.testing.assert_array_equal(np.stack([*planes]), pixels[:, 1])


@pytest.mark.parametrize(("dtype", "value"), [("uint16", 7), ("int32", -3), ("float32", np.nan)])
def test_planes_missing_among_others_keep_their_place(
    reader: Reader, tmp_path: Path, dtype: str, value: float
) -> None:
    pixels = noise(3, 2, 40, 24, dtype=dtype)
    written = [np.s_[0], np.s_[2, 1]]
    fill = 7 if dtype == "float32" else value
    path = write_ome_zarr(
        tmp_path / "a.zip", pixels, "tcyx", written=written, chunks=(1, 1, 16, 24), fill_value=fill
    )
    planes = reader.open(path)
    assert (planes.header.axes, planes.header.shape) == ("TCYX", (2, 2, 40, 24))
    told = "not a number" if dtype == "float32" else value
    assert planes.header.warnings == (
        f"3 of 6 planes are in the file; 1 of the others lie among them, and are {told} everywhere",
    )
    missing = np.full((40, 24), value, dtype)
    np.testing.assert_array_equal(np.stack([*planes]), [pixels[0, 0], pixels[0, 1], missing, pixels[2, 1]])


@pytest.mark.parametrize("options", LAYOUTS)
@pytest.mark.parametrize(("dtype", "value"), [("uint16", 7), ("float64", np.nan)])
def test_parts_that_were_not_written_are_missing(
    reader: Reader, tmp_path: Path, options: Options, dtype: str, value: float
) -> None:
    pixels = noise(2, 3, 40, 24, dtype=dtype)
    written = [np.s_[:, :2], np.s_[:, 2, :16]]
    path = write_ome_zarr(tmp_path / "a.zip", pixels, "tzyx", written=written, fill_value=7, **options)
    planes = reader.open(path)
    told = "not a number" if dtype == "float64" else "7"
    assert planes.header.warnings == (
        f"parts of 2 planes were never written; there, their pixels are {told}, and stay so",
    )
    expected = pixels.copy()
    expected[:, 2, 16:] = value
    np.testing.assert_array_equal(np.stack([*planes]), expected.reshape(-1, 40, 24))


def test_times_between_which_others_were_not_written_lie_further_apart(tmp_path: Path) -> None:
    pixels = noise(7, 40, 24)
    for written, interval_s in (([np.s_[::2]], 4.0), ([np.s_[:2], np.s_[5]], None)):
        path = write_ome_zarr(tmp_path / "a.zip", pixels, "tyx", written=written, chunks=(1, 40, 24))
        with open_planes(path) as planes:
            metadata = planes.result_format(np.dtype("float32")).page["metadata"]
        assert metadata.get("TimeIncrement") == interval_s


def test_an_image_without_any_chunk_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zip", noise(3, 40, 24), "tyx", written=[])
    with pytest.raises(ImageContentError, match="no pixels of the image were written"):
        reader.inspect(path)


def test_written_pixels_of_the_fill_value_are_pixels(reader: Reader, tmp_path: Path) -> None:
    pixels = noise(2, 40, 24, dtype="float32")
    pixels[0, :16] = 0
    path = write_ome_zarr(
        tmp_path / "a.zip",
        pixels,
        "tyx",
        chunks=(1, 16, 24),
        fill_value=0,
        config={"write_empty_chunks": True},
    )
    planes = reader.open(path)
    assert planes.header.warnings == ()
    np.testing.assert_array_equal(np.stack([*planes]), pixels)
