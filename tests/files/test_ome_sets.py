"""Sets of OME-TIFF files: which planes are read from which file, and what is told of the others."""

import re
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.errors import ImageCorruptError, ImageSeriesError
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.writer import write_planes
from tests.support.tiff_sets import (
    COMPANION,
    files_in,
    noisy,
    ome_member,
    ome_set,
    ome_set_xml,
    tiff_with,
    unpacked,
    uuid_of,
    zipped,
)

PIXELS = noisy(2, 3, 2, 32, 40)  # T Z C Y X


@pytest.mark.parametrize("folder", ["ome_master", "ome_companion"])
@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_real_sets_equal_what_another_reader_reads(
    reader: Reader, test_data: Path, tmp_path: Path, folder: str, kind: str
) -> None:
    path = test_data / "vendor" / folder
    source = zipped(tmp_path / "set.zip", files_in(path)) if kind == "zip" else path
    planes = reader.open(source)
    # With a companion file, tifffile reads only the first.
    expected = [tifffile.imread(each, is_ome=False) for each in sorted(path.glob("*.ome.tiff"))]
    assert (planes.header.axes, planes.header.shape) == ("ZYX", (5, 24, 18))
    assert planes.header.warnings == ()
    for index in (3, 0, 4, 1, 2):
        np.testing.assert_array_equal(planes[index], expected[index])


def test_one_file_of_a_set_is_read_and_told(reader: Reader, test_data: Path) -> None:
    folder = test_data / "vendor" / "ome_master"
    first = reader.open(folder / "multifile-Z1.ome.tiff")
    assert "the others are in multifile-Z2.ome.tiff" in first.header.warnings[0]
    second = reader.open(folder / "multifile-Z2.ome.tiff")
    assert "part of a set that multifile-Z1.ome.tiff describes (pack all" in second.header.warnings[0]
    assert second.header.pixel_size_um is None  # the resolution is what Bio-Formats writes for an unknown one
    np.testing.assert_array_equal(second[0], tifffile.imread(folder / "multifile-Z2.ome.tiff", is_ome=False))


def test_the_order_and_folders_of_the_archive_do_not_matter(reader: Reader, tmp_path: Path) -> None:
    files = {f"data/{name}": content for name, content in reversed(ome_set(PIXELS).items())}
    planes = reader.open(zipped(tmp_path / "set.zip", files))
    header = planes.header
    assert (header.axes, header.shape) == ("TZCYX", PIXELS.shape)
    assert header.channel_names == ("dye 0", "dye 1")
    assert header.pixel_size_um is not None
    assert (header.pixel_size_um.x_um, header.pixel_size_um.z_um) == (0.2, 0.7)
    np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS.shape), PIXELS)


def test_names_may_differ_in_case_and_folder_and_files_may_be_renamed(reader: Reader, tmp_path: Path) -> None:
    files = ome_set(PIXELS)
    files[COMPANION] = files[COMPANION].replace(b'FileName="plane_3', b'FileName="C:\\run\\Plane_3')
    files["renamed.tif"] = files.pop("plane_5.ome.tif")
    planes = reader.open(zipped(tmp_path / "set.zip", files))
    np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS.shape), PIXELS)
    assert planes.header.warnings == ()


def test_a_missing_file_is_named_and_the_other_planes_are_read(reader: Reader, tmp_path: Path) -> None:
    files = ome_set(PIXELS)
    del files["plane_4.ome.tif"]
    planes = reader.open(zipped(tmp_path / "set.zip", files))
    (warning,) = planes.header.warnings
    assert "lacks plane_4.ome.tif; 11 of 12 planes" in warning
    assert planes.header.axes == "IYX"
    np.testing.assert_array_equal(planes[4], PIXELS.reshape(-1, 32, 40)[5])


def test_a_companion_alone_names_the_files_that_it_needs(reader: Reader, tmp_path: Path) -> None:
    files = {COMPANION: ome_set(PIXELS)[COMPANION]}
    with pytest.raises(
        ImageCorruptError, match=r"no plane .* plane_0.ome.tif, .* and 9 more; add these files"
    ):
        reader.open(zipped(tmp_path / "set.zip", files))


def test_files_without_their_companion_name_it(reader: Reader, tmp_path: Path) -> None:
    files = ome_set(PIXELS)
    del files[COMPANION]
    with pytest.raises(
        ImageCorruptError, match=re.escape(f"'{COMPANION}' describes, which is missing; add it")
    ):
        reader.open(zipped(tmp_path / "set.zip", files))


def test_a_file_of_another_set_is_left_out_and_told(reader: Reader, tmp_path: Path) -> None:
    files = ome_set(PIXELS) | {
        "other.ome.tif": ome_member(PIXELS[0, 0, 0], uuid_of(99), "other.companion.ome")
    }
    header = reader.open(zipped(tmp_path / "set.zip", files)).header
    assert header.shape == PIXELS.shape
    assert header.warnings == (
        "other.ome.tif is left out: it is no part of an image that the metadata of the set describes",
    )


@pytest.mark.parametrize("number", [99, 0])
def test_a_file_with_the_uuid_of_another_is_told(reader: Reader, tmp_path: Path, number: int) -> None:
    other = ome_member(PIXELS[0, 0, 0], uuid_of(number))
    header = reader.open(zipped(tmp_path / "set.zip", ome_set(PIXELS) | {"plane_7.ome.tif": other})).header
    (warning,) = header.warnings
    assert warning.startswith("plane_7.ome.tif may be of another set")


def test_a_file_with_other_pixels_is_refused_by_name(reader: Reader, tmp_path: Path) -> None:
    other = ome_member(PIXELS[0, 0, 0, :20], uuid_of(7))
    planes = reader.open(zipped(tmp_path / "set.zip", ome_set(PIXELS) | {"plane_7.ome.tif": other}))
    with pytest.raises(ImageCorruptError, match=r"'plane_7.ome.tif': plane 8 has 40 x 20 pixels"):
        _ = planes[7]


def test_a_damaged_file_is_named(reader: Reader, tmp_path: Path) -> None:
    files = ome_set(PIXELS)
    files["plane_7.ome.tif"] = files["plane_7.ome.tif"][:700]
    with pytest.raises(ImageCorruptError, match=r"'plane_7.ome.tif'"):
        _ = [*reader.open(zipped(tmp_path / "set.zip", files))]


def test_positions_are_series(reader: Reader, tmp_path: Path) -> None:
    positions = np.stack([PIXELS, PIXELS[::-1]])
    path = zipped(tmp_path / "set.zip", ome_set(positions, images=2))
    with pytest.raises(
        ImageSeriesError, match="0 is 'position 0', TZCYX 2 x 3 x 2 x 32 x 40; 1 is 'position 1'"
    ):
        reader.open(path)
    planes = reader.open(path, series=1)
    np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS.shape), PIXELS[::-1])
    result = tmp_path / "result.ome.tif"
    write_planes(result, planes, like=planes, dtype="same")
    with tifffile.TiffFile(result) as tiff:
        assert (len(tiff.series), tiff.series[0].axes) == (1, "TZCYX")
        np.testing.assert_array_equal(tiff.asarray(), PIXELS[::-1])
        assert 'Name="position 1"' in (tiff.ome_metadata or "")
        assert "plane_" not in (tiff.ome_metadata or "")


def test_files_that_each_describe_the_whole_set_are_one_image(reader: Reader, tmp_path: Path) -> None:
    names = [f"p{number}.ome.tif" for number in range(12)]
    lengths = {"X": 40, "Y": 32, "Z": 3, "C": 2, "T": 2}
    files = {
        name: tiff_with(plane, ome_set_xml(lengths, names, uuid_of(number)))
        for number, (name, plane) in enumerate(zip(names, PIXELS.reshape(-1, 32, 40), strict=True))
    }
    planes = reader.open(zipped(tmp_path / "set.zip", files))
    assert (planes.header.axes, planes.header.series_in_file) == ("TZCYX", ())
    np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS.shape), PIXELS)


def test_a_set_of_more_files_than_may_be_open_is_read(reader: Reader, tmp_path: Path) -> None:
    pixels = noisy(150, 1, 1, 16, 16)
    planes = reader.open(unpacked(tmp_path / "set", ome_set(pixels)))
    for index in (149, 0, 100, 149):
        np.testing.assert_array_equal(planes[index], pixels[index, 0, 0])


@pytest.mark.parametrize("encoding", ["cp850", "koi8-r", "iso-8859-15"])
def test_a_companion_file_may_be_in_any_encoding(encoding: str, tmp_path: Path, reader: Reader) -> None:
    files = ome_set(noisy(1, 1, 2, 1, 32, 40))
    name = "\u0416" if encoding == "koi8-r" else "Grün"
    text = (
        files[COMPANION].decode().replace("dye 0", name).replace('encoding="UTF-8"', f'encoding="{encoding}"')
    )
    files[COMPANION] = text.encode(encoding)
    assert reader.open(unpacked(tmp_path / "set", files)).header.channel_names[0] == name


def test_an_encoding_that_nobody_knows_is_told(tmp_path: Path, reader: Reader) -> None:
    files = ome_set(noisy(1, 1, 2, 1, 32, 40))
    files[COMPANION] = files[COMPANION].replace(b'encoding="UTF-8"', b'encoding="klingon"')
    with pytest.raises(ImageCorruptError, match="unknown encoding"):
        reader.open(unpacked(tmp_path / "set", files))
