"""NDTiff folders: planes by their coordinates in the index, and what is missing."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.errors import ClearScopeError, ImageCorruptError, ImageSeriesError, ImageUnsupportedError
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.writer import write_planes
from tests.support.ndtiff_files import INDEX, Plane, entry, ndtiff_folder
from tests.support.tiff_sets import files_in, noisy, unpacked, zipped

PIXELS = noisy(3, 2, 4, 24, 32)  # T C Z Y X
CHANNELS = ("FITC", "Cy5")  # in the order of acquisition


def recorded(*, positions: tuple[int | str, ...] = (), metadata: bool = True) -> list[Plane]:
    """Return planes as acquired: Z fastest, then channels, positions, times; a new file for each time."""
    planes = []
    for t in range(3):
        for position in positions or (None,):
            for c, channel in enumerate(CHANNELS):
                for z in range(4):
                    axes: dict[str, int | str] = {"time": t, "channel": channel, "z": z - 2}
                    pixels = PIXELS[t, c, z]
                    if position is not None:
                        axes["position"] = position
                        pixels = pixels + positions.index(position)
                    told = {"PixelSizeUm": 0.25, "ElapsedTime-ms": 500.0 * t, "ZPositionUm": 10 - 0.5 * z}
                    planes.append(Plane(axes, pixels, told if metadata else {}, file=t))
    return planes


@pytest.mark.parametrize("name", ["ndtiff_v2", "ndtiff_v3.2_11bit", "ndtiff_v3_12bit_mda"])
@pytest.mark.parametrize("kind", ["zip", "folder"])
def test_real_folders_equal_what_another_reader_reads(
    reader: Reader, test_data: Path, tmp_path: Path, name: str, kind: str
) -> None:
    folder = test_data / "formats" / name
    planes = reader.open(zipped(tmp_path / "set.zip", files_in(folder)) if kind == "zip" else folder)
    with tifffile.TiffFile(next(folder.glob("*.tif"))) as tiff:
        assert (planes.header.axes, planes.header.shape) == (tiff.series[0].axes, tiff.series[0].shape)
        expected = tiff.asarray().reshape(len(planes), *planes.header.shape[-2:])
    for index in reversed(range(len(planes))):
        np.testing.assert_array_equal(planes[index], expected[index])


def test_coordinates_and_metadata_are_those_of_the_acquisition(reader: Reader, tmp_path: Path) -> None:
    planes = reader.open(zipped(tmp_path / "run.zip", ndtiff_folder(recorded())))
    header = planes.header
    assert (header.axes, header.shape, header.channel_names) == ("TCZYX", PIXELS.shape, CHANNELS)
    assert header.pixel_size_um is not None
    assert (header.pixel_size_um.x_um, header.pixel_size_um.z_um) == (0.25, 0.5)
    assert (header.time_interval_s, header.file_kind, header.warnings) == (0.5, "ndtiff", ())
    np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS.shape), PIXELS)
    result = tmp_path / "result.ome.tif"
    write_planes(result, planes, like=planes, dtype="same")
    with tifffile.TiffFile(result) as tiff:
        assert tiff.series[0].axes == "TCZYX"
        np.testing.assert_array_equal(tiff.asarray(), PIXELS)
        xml = tiff.ome_metadata or ""
    assert xml.index('Name="FITC"') < xml.index('Name="Cy5"')
    assert 'PhysicalSizeZ="0.5"' in xml
    assert 'DeltaT="1000.0"' in xml


def test_the_summary_tells_the_order_of_channels(reader: Reader, tmp_path: Path) -> None:
    files = ndtiff_folder(recorded(), {"ChNames": ["DAPI", "Cy5", "FITC"]})
    planes = reader.open(zipped(tmp_path / "run.zip", files))
    assert planes.header.channel_names == ("Cy5", "FITC")
    np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS.shape), PIXELS[:, ::-1])


@pytest.mark.parametrize("positions", [(0, 1), ("well B", "well A")])
def test_positions_are_series(reader: Reader, tmp_path: Path, positions: tuple[int | str, ...]) -> None:
    path = zipped(tmp_path / "run.zip", ndtiff_folder(recorded(positions=positions)))
    with pytest.raises(ImageSeriesError, match=f"1 is '.*{sorted(map(str, positions))[1]}', TCZYX 3 x 2 x 4"):
        reader.open(path)
    planes = reader.open(path, series=1)
    added = positions.index(sorted(positions, key=str)[1])
    np.testing.assert_array_equal(np.stack([*planes]).reshape(PIXELS.shape), PIXELS + added)


def test_a_missing_file_is_named(reader: Reader, tmp_path: Path) -> None:
    files = ndtiff_folder(recorded())
    del files["run_NDTiffStack_1.tif"]
    planes = reader.open(zipped(tmp_path / "run.zip", files))
    assert planes.header.warnings == ("the set lacks run_NDTiffStack_1.tif; 16 of 24 planes are read",)
    np.testing.assert_array_equal(np.stack([*planes]).reshape(2, *PIXELS.shape[1:]), PIXELS[::2])


def test_an_index_alone_names_the_files_that_it_needs(reader: Reader, tmp_path: Path) -> None:
    files = {INDEX: ndtiff_folder(recorded())[INDEX]}
    with pytest.raises(ImageCorruptError, match=r"index tells of run_NDTiffStack.tif, .*; add them"):
        reader.open(zipped(tmp_path / "run.zip", files))


def test_an_acquisition_that_was_stopped_is_read_as_a_sequence(reader: Reader, tmp_path: Path) -> None:
    planes = reader.open(zipped(tmp_path / "run.zip", ndtiff_folder(recorded()[:-3])))
    assert (planes.header.axes, planes.header.shape[0]) == ("IYX", 21)
    assert planes.header.warnings == ("21 of 24 planes are in the set",)


def test_smaller_copies_are_left_out_and_other_axes_are_kept(reader: Reader, tmp_path: Path) -> None:
    angles = [Plane({"angle": angle}, PIXELS[0, 0, angle]) for angle in (2, 0, 1)]
    full = {f"Full resolution/{name}": content for name, content in ndtiff_folder(angles).items()}
    small = {f"Downsampled_x2/{name}": content for name, content in ndtiff_folder(angles[:1]).items()}
    planes = reader.open(zipped(tmp_path / "run.zip", full | small))
    assert (planes.header.axes, planes.header.shape) == ("IYX", (3, 24, 32))
    np.testing.assert_array_equal(np.stack([*planes]), PIXELS[0, 0, :3])


def test_an_index_that_ends_within_an_entry_is_told(reader: Reader, tmp_path: Path) -> None:
    files = ndtiff_folder(recorded())
    files[INDEX] = files[INDEX][:-10]
    header = reader.open(zipped(tmp_path / "run.zip", files)).header
    assert "the NDTiff index ends within an entry; the planes before it are read" in header.warnings


def test_an_index_that_names_fewer_planes_than_the_files_hold_is_told(reader: Reader, tmp_path: Path) -> None:
    whole = ndtiff_folder(recorded())
    files = whole | {INDEX: ndtiff_folder(recorded()[:-2])[INDEX]}
    header = reader.open(zipped(tmp_path / "run.zip", files)).header
    assert any("room for 2 more planes" in warning for warning in header.warnings)
    assert not reader.open(zipped(tmp_path / "whole.zip", whole)).header.warnings


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (b"\xff\xff\xff\x7f", "broken at byte 0"),
        (entry({"time": 0}, "a.tif", (9, 32, 24, 9, 0, 0, 0, 0)), r"unknown type of pixels \(9\)"),
        (
            entry({"time": 0}, "../../run_NDTiffStack.tif", (99, 32, 24, 1, 0, 0, 0, 0)),
            "no file of the NDTiff",
        ),
        (entry({"time": 0}, "run_NDTiffStack.tif", (2**31, 32, 24, 1, 0, 0, 0, 0)), "ends before the pixels"),
        (entry({"time": 0}, "run_NDTiffStack.tif", (99, 2**31, 2**31, 1, 0, 0, 0, 0)), "exceeds the limit"),
        (
            entry({"time": [1]}, "run_NDTiffStack.tif", (99, 32, 24, 1, 0, 0, 0, 0)),
            "coordinates are no numbers",
        ),
        (entry({"time": 0}, "other.tif", (99, 32, 24, 1, 0, 0, 0, 0)), "'other.tif' is no NDTiff file"),
    ],
)
def test_a_lying_index_is_refused(reader: Reader, tmp_path: Path, broken: bytes, message: str) -> None:
    files = ndtiff_folder(recorded()) | {INDEX: broken, "other.tif": bytes(10_000)}
    with pytest.raises(ClearScopeError, match=message):
        reader.open(zipped(tmp_path / "run.zip", files))


def test_colours_are_refused(reader: Reader, tmp_path: Path) -> None:
    files = {INDEX: entry({"time": 0}, "a.tif", (99, 32, 24, 2, 0, 0, 0, 0)), "a.tif": b""}
    with pytest.raises(ImageUnsupportedError, match=r"in colour \(RGB\)"):
        reader.open(zipped(tmp_path / "run.zip", files))


def test_a_summary_that_was_overwritten_with_zeros_is_told(tmp_path: Path, reader: Reader) -> None:
    plane_yx = noisy(32, 40)
    files = ndtiff_folder([Plane({"time": 0}, plane_yx)], {"ChNames": ["DAPI"], "PixelSize_um": 0.1})
    (name,) = set(files) - {INDEX}
    start = files[name].index(b"{")
    files[name] = files[name][:start] + bytes(40) + files[name][start + 40 :]
    planes = reader.open(unpacked(tmp_path / "set", files))
    np.testing.assert_array_equal(planes[0], plane_yx)
    (told,) = planes.header.warnings
    assert told.startswith(f"the settings of the acquisition in {name} cannot be read")
