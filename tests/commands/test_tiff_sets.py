"""Sets of TIFF files on the command line: a folder of NDTiff."""

from pathlib import Path

import tifffile

from tests.support.commands import clearscope
from tests.support.ndtiff_files import Plane, ndtiff_folder
from tests.support.tiff_sets import noisy, unpacked

PIXELS = noisy(2, 2, 48, 64)  # T C Y X


def test_a_folder_of_ndtiff_is_denoised(tmp_path: Path) -> None:
    planes = [
        Plane({"time": t, "channel": name}, PIXELS[t, c], file=t)
        for t in (0, 1)
        for c, name in enumerate(("FITC", "Cy5"))
    ]
    folder = unpacked(tmp_path / "run", ndtiff_folder(planes))
    result = tmp_path / "out.ome.tif"
    clearscope("denoise", folder, result, "--preset", "instant")
    with tifffile.TiffFile(result) as tiff:
        assert (tiff.series[0].axes, tiff.series[0].shape) == ("TCYX", PIXELS.shape)
        xml = tiff.ome_metadata or ""
    assert xml.index('Name="FITC"') < xml.index('Name="Cy5"')
