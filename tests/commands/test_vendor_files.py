"""Commands with files of vendors."""

from pathlib import Path

import numpy as np
import tifffile

from tests.support.commands import clearscope
from tests.support.lif_files import LifImage, write_lif

INSTANT = ("--preset", "instant", "--device", "cpu")


def test_denoise_takes_the_series_that_it_is_given(tmp_path: Path) -> None:
    y, x = np.mgrid[:48, :64] / 9
    photons = 60 + 30 * np.sin(y) * np.cos(x)
    scans = [np.random.default_rng(seed).poisson(photons).astype(np.uint8) for seed in range(2)]
    images = [LifImage(f"scan {n}", "ZX", pixels, {"X": 0.1, "Z": 0.1}) for n, pixels in enumerate(scans)]
    source, target = write_lif(tmp_path / "scans.lif", images), tmp_path / "out.ome.tif"
    report = tmp_path / "report"
    output = clearscope("denoise", source, target, *INSTANT, "--series", "1", "--report", report)
    assert output.count("the scan has no axis Y") == 1
    denoised = tifffile.imread(target)
    errors = [np.abs(denoised.astype(np.float64) - scan).mean() for scan in scans]
    assert errors[1] < errors[0]
    assert np.abs(denoised - photons).mean() < 0.5 * np.abs(scans[1] - photons).mean()
    with tifffile.TiffFile(target) as tiff:
        assert "scan 1" in (tiff.ome_metadata or "")


def test_denoise_reads_an_nd2_file_of_a_microscope(test_data: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.ome.tif"
    output = clearscope("denoise", test_data / "vendor" / "nd2_cluster.nd2", target, *INSTANT)
    assert "TCZYX 3x2x10x31x38 uint16" in output
    with tifffile.TiffFile(target) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("TCZYX", (3, 2, 10, 31, 38))
        assert "FM 4-64/2% CHAPS" in (tiff.ome_metadata or "")
