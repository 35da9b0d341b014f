"""Sets of Micro-Manager's MMStack files: positions, and files that continue others."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from models_store.errors import ImageCorruptError, ImageSeriesError
from models_store.image_files.isolation.client import Reader
from tests.support.tiff_sets import OME, Files, noisy, uuid_of, zipped

PIXELS = noisy(2, 6, 2, 24, 32)  # position, T, C, Y, X
FILES = [
    ("run_MMStack_Pos0.ome.tif", 0, 8),
    ("run_MMStack_Pos0_1.ome.tif", 0, 4),
    ("run_MMStack_Pos1.ome.tif", 1, 12),
]


def mmstack(*, everywhere: bool) -> Files:
    """Return a set: all files have the OME-XML of the whole set, or only name the first, which has it."""
    files, first = {}, {0: 0, 1: 0}
    for number, (name, position, pages) in enumerate(FILES):
        planes = PIXELS[position].reshape(-1, 24, 32)[first[position] :][:pages]
        first[position] += pages
        own = (
            xml(number)
            if everywhere or number == 0
            else (
                f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" UUID="{uuid_of(number)}">'
                f'<BinaryOnly MetadataFile="{FILES[0][0]}" UUID="{uuid_of(0)}"/></OME>'
            )
        )
        files[name] = stack(planes, own)
    return files


def stack(planes: NDArray[np.uint16], description: str) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as tiff:
        for number, plane in enumerate(planes):
            own = description.encode() if number == 0 else None
            tiff.write(plane, description=own, metadata=None, contiguous=False, photometric="minisblack")
    return stream.getvalue()


def xml(number: int) -> str:
    images = []
    for position in (0, 1):
        places = [
            (file, page)
            for file, (_, of_position, pages) in enumerate(FILES)
            for page in range(pages if of_position == position else 0)
        ]
        located = "".join(
            f'<TiffData FirstC="{plane % 2}" FirstT="{plane // 2}" FirstZ="0" IFD="{page}" PlaneCount="1">'
            f'<UUID FileName="{FILES[file][0]}">{uuid_of(file)}</UUID></TiffData>'
            for plane, (file, page) in enumerate(places)
        )
        channels = "".join(
            f'<Channel ID="Channel:{position}:{c}" Name="{name}"/>' for c, name in enumerate(("DAPI", "Cy5"))
        )
        images.append(
            f'<Image ID="Image:{position}" Name="run_MMStack_Pos{position}"><Pixels ID="Pixels:{position}" '
            'DimensionOrder="XYCZT" Type="uint16" SizeX="32" SizeY="24" SizeC="2" SizeZ="1" SizeT="6" '
            f'PhysicalSizeX="0.1" PhysicalSizeY="0.1">{channels}{located}</Pixels></Image>'
        )
    head = f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" UUID="{uuid_of(number)}">'
    return f"{head}{''.join(images)}</OME>"


@pytest.mark.parametrize("everywhere", [True, False])
def test_positions_are_series_across_files(reader: Reader, tmp_path: Path, *, everywhere: bool) -> None:
    path = zipped(tmp_path / "run.zip", mmstack(everywhere=everywhere))
    with pytest.raises(ImageSeriesError, match="1 is 'run_MMStack_Pos1', TCYX 6 x 2 x 24 x 32"):
        reader.open(path)
    for position in (0, 1):
        planes = reader.open(path, series=position)
        assert (planes.header.shape, planes.header.channel_names) == (PIXELS[0].shape, ("DAPI", "Cy5"))
        assert planes.header.warnings == ()
        np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS[0].shape), PIXELS[position])


def test_positions_are_listed(reader: Reader, tmp_path: Path) -> None:
    listed = reader.list_images(zipped(tmp_path / "run.zip", mmstack(everywhere=True)))
    assert [(each.name, each.unusable) for each in listed.entries] == [
        ("run_MMStack_Pos0", None),
        ("run_MMStack_Pos1", None),
    ]
    assert [each.series for each in listed.headers] == [0, 1]


def test_a_position_whose_file_ends_early_is_listed_with_the_reason(reader: Reader, tmp_path: Path) -> None:
    files = mmstack(everywhere=True)
    name = FILES[2][0]
    files[name] = files[name][: len(files[name]) // 2]
    planes = reader.open(zipped(tmp_path / "run.zip", files))
    assert "number 0 alone can be denoised" in planes.header.warnings[-1]
    listed = reader.list_images(tmp_path / "run.zip")
    assert listed.headers[0].shape == PIXELS[0].shape
    assert f"'{name}'" in (listed.entries[1].unusable or "")


def test_a_file_with_fewer_pages_is_told_when_it_is_read(reader: Reader, tmp_path: Path) -> None:
    files = mmstack(everywhere=True)
    files[FILES[1][0]] = stack(PIXELS[0, 4], xml(1))
    planes = reader.open(zipped(tmp_path / "run.zip", files), series=0)
    with pytest.raises(
        ImageCorruptError, match=r"'run_MMStack_Pos0_1.ome.tif' has 2 pages, but .* tell of page 4"
    ):
        _ = planes[11]
