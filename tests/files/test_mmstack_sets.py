"""Sets of Micro-Manager's MMStack files: positions, and files that continue others."""

from pathlib import Path

import numpy as np
import pytest

from models_store.errors import ImageCorruptError, ImageSeriesError
from models_store.image_files.isolation.reader import Reader
from tests.support.mmstack_files import Part, mmstack, mmstack_xml, stack
from tests.support.tiff_sets import noisy, zipped

PIXELS = noisy(2, 6, 2, 24, 32)  # position, T, C, Y, X
FILES = [
    Part("run_MMStack_Pos0.ome.tif", 0, 8),
    Part("run_MMStack_Pos0_1.ome.tif", 0, 4),
    Part("run_MMStack_Pos1.ome.tif", 1, 12),
]


@pytest.mark.parametrize("everywhere", [True, False])
def test_positions_are_series_across_files(reader: Reader, tmp_path: Path, *, everywhere: bool) -> None:
    path = zipped(tmp_path / "run.zip", mmstack(PIXELS, FILES, everywhere=everywhere))
    with pytest.raises(ImageSeriesError, match="1 is 'run_MMStack_Pos1', TCYX 6 x 2 x 24 x 32"):
        reader.open(path)
    for position in (0, 1):
        planes = reader.open(path, series=position)
        assert (planes.header.shape, planes.header.channel_names) == (PIXELS[0].shape, ("DAPI", "Cy5"))
        assert planes.header.warnings == ()
        np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS[0].shape), PIXELS[position])


def test_positions_are_listed(reader: Reader, tmp_path: Path) -> None:
    listed = reader.list_images(zipped(tmp_path / "run.zip", mmstack(PIXELS, FILES, everywhere=True)))
    assert [(each.name, each.unusable) for each in listed.entries] == [
        ("run_MMStack_Pos0", None),
        ("run_MMStack_Pos1", None),
    ]
    assert [each.series for each in listed.headers] == [0, 1]


def test_a_position_whose_file_ends_early_is_listed_with_the_reason(reader: Reader, tmp_path: Path) -> None:
    files = mmstack(PIXELS, FILES, everywhere=True)
    name = FILES[2].name
    files[name] = files[name][: len(files[name]) // 2]
    planes = reader.open(zipped(tmp_path / "run.zip", files))
    assert "number 0 alone can be denoised" in planes.header.warnings[-1]
    listed = reader.list_images(tmp_path / "run.zip")
    assert listed.headers[0].shape == PIXELS[0].shape
    assert f"'{name}'" in (listed.entries[1].unusable or "")


def test_a_file_with_fewer_pages_is_told_when_it_is_read(reader: Reader, tmp_path: Path) -> None:
    files = mmstack(PIXELS, FILES, everywhere=True)
    files[FILES[1].name] = stack(PIXELS[0, 4], mmstack_xml(PIXELS.shape, FILES, 1))
    planes = reader.open(zipped(tmp_path / "run.zip", files), series=0)
    with pytest.raises(
        ImageCorruptError, match=r"'run_MMStack_Pos0_1.ome.tif' has 2 pages, but .* tell of page 4"
    ):
        _ = planes[11]
