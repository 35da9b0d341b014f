"""What other programs must read in a result, as the header of its source has it."""

from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from ome_types.model import Pixels
from yaozarrs import validate_zarr_store

from models_store.image_files.isolation.reader import Reader
from models_store.image_files.results.ome_zarr.archive import unpack
from tests.support.vendor_facts import Facts


def check_ome_tiff(result: Path, facts: Facts, source: Path, reader: Reader) -> None:
    """Read an OME-TIFF result with tifffile and ome-types."""
    with tifffile.TiffFile(result) as tiff:
        (series,) = tiff.series
        assert (series.axes, series.shape) == (facts.axes, facts.shape)
        _check_pixels(series.asarray(), facts, source, reader)
    (image,) = ome_types.from_tiff(result).images
    _check_metadata(image.pixels, facts)


def check_ome_zarr(result: Path, facts: Facts, source: Path, reader: Reader) -> None:
    """Read an OME-Zarr result, a folder or a ZIP file, with yaozarrs, zarr and ome-types."""
    if result.is_file():
        unpack(result, folder := result.with_suffix(".ome.zarr"))
        result = folder
    validate_zarr_store(str(result))
    root = zarr.open_group(result, mode="r")
    ome: Any = root.attrs["ome"]
    (image,) = ome["multiscales"]
    assert "".join(axis["name"] for axis in image["axes"]).upper() == facts.axes
    full = root[image["datasets"][0]["path"]]
    assert isinstance(full, zarr.Array)
    assert full.shape == facts.shape
    _check_pixels(np.asarray(full[:]), facts, source, reader)
    steps = dict(zip(facts.axes, image["datasets"][0]["coordinateTransformations"][0]["scale"], strict=True))
    for axis, size_um in zip("XYZ", facts.size_um or (), strict=False):
        if size_um is not None:
            assert steps[axis] == pytest.approx(size_um)
    assert [channel.get("label") for channel in ome["omero"]["channels"]] == _names(facts)
    (described,) = ome_types.from_xml(result / "OME" / "METADATA.ome.xml").images
    _check_metadata(described.pixels, facts)


def _check_pixels(denoised: NDArray[Any], facts: Facts, source: Path, reader: Reader) -> None:
    assert denoised.dtype == np.float32
    assert np.isfinite(denoised).all()
    noisy = np.stack([*reader.open(source, series=facts.series)]).reshape(facts.shape)
    assert (denoised != noisy).mean() > 0.1
    assert np.corrcoef(denoised.ravel(), noisy.ravel())[0, 1] > 0  # two of the files are noise alone


def _check_metadata(pixels: Pixels, facts: Facts) -> None:
    sizes = {"X": pixels.physical_size_x, "Y": pixels.physical_size_y, "Z": pixels.physical_size_z}
    for axis, size_um in zip("XYZ", facts.size_um or (None, None, None), strict=True):
        assert sizes[axis] == (None if size_um is None else pytest.approx(size_um, rel=1e-5))
    assert [channel.name for channel in pixels.channels] == _names(facts)


def _names(facts: Facts) -> list[str | None]:
    channels = facts.shape[facts.axes.index("C")] if "C" in facts.axes else 1
    return [*facts.channels] or [None] * channels
