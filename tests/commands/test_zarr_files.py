"""Commands with OME-Zarr: archives and folders."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.support.commands import clearscope
from tests.support.zarr_files import write_ome_zarr

INSTANT = ("--preset", "instant", "--device", "cpu")


@pytest.mark.parametrize("name", ["cells.ozx", "cells.ome.zarr"])
def test_denoise_reads_an_ome_zarr(tmp_path: Path, name: str) -> None:
    y, x = np.mgrid[:48, :64] / 9
    photons = np.stack([60 + 30 * np.sin(y + z) * np.cos(x) for z in range(2)])
    pixels = np.random.default_rng(0).poisson(photons).astype(np.uint16)
    source = write_ome_zarr(tmp_path / name, pixels, "zyx", chunks=(1, 48, 64))
    output = clearscope("denoise", source, tmp_path / "out.ome.tif", *INSTANT)
    assert "ZYX 2x48x64 uint16" in output
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as tiff:
        denoised, xml = tiff.asarray(), tiff.ome_metadata or ""
    assert np.abs(denoised - photons).mean() < 0.5 * np.abs(pixels - photons).mean()
    assert 'PhysicalSizeZ="0.5" PhysicalSizeZUnit="µm"' in xml
