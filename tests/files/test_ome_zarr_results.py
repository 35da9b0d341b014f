"""Results as OME-Zarr 0.5: axes, sizes, pyramid, channels, ZIP file; read by zarr-python and a validator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np
import pytest
import tifffile
import zarr
from numpy.typing import NDArray
from yaozarrs import validate_zarr_store
from zarr.storage import ZipStore

from models_store.contracts.vocabulary import OutputDtype, OutputFormat
from models_store.image_files.planes import PlaneSource
from models_store.image_files.results.ome_zarr.archive import unpack
from models_store.image_files.results.result_file import ResultOptions, write_result
from models_store.image_files.tiff.reader import open_planes

HYPERSTACK = np.random.default_rng(0).integers(0, 4000, (3, 4, 2, 600, 333)).astype("uint16")
ZARR = ResultOptions(OutputFormat.OME_ZARR, OutputDtype.SAME)
IMAGEJ = {"spacing": 0.5, "unit": "um", "finterval": 2.5, "mode": "composite"}


def _write(
    folder: Path, stack: NDArray[Any], options: ResultOptions = ZARR, **source: Any
) -> tuple[zarr.Group, Path]:
    """Copy a stack, written as TIFF, to an OME-Zarr; return its root, as unpacked, and the ZIP file."""
    tiff, archive, unpacked = folder / "source.tif", folder / "result.ozx", folder / "result.ome.zarr"
    tifffile.imwrite(tiff, stack, **source)
    with open_planes(tiff) as planes:
        write_result(archive, planes, like=planes, options=options)
    unpack(archive, unpacked)
    validate_zarr_store(str(unpacked))
    return zarr.open_group(unpacked, mode="r"), archive


def _levels(group: zarr.Group) -> list[NDArray[Any]]:
    ome: Any = group.attrs["ome"]
    (image,) = ome["multiscales"]
    arrays = [group[each["path"]] for each in image["datasets"]]
    return [np.asarray(array[:]) for array in arrays if isinstance(array, zarr.Array)]


def test_a_hyperstack_keeps_axes_sizes_times_and_values(tmp_path: Path) -> None:
    root, _ = _write(
        tmp_path, HYPERSTACK, imagej=True, resolution=(10, 5), metadata={"axes": "TZCYX", **IMAGEJ}
    )
    ome: Any = root.attrs["ome"]
    (image,) = ome["multiscales"]
    assert [(axis["name"], axis["type"], axis.get("unit")) for axis in image["axes"]] == [
        ("t", "time", "second"),
        ("c", "channel", None),
        ("z", "space", "micrometer"),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    scale, coarser = (each["coordinateTransformations"] for each in image["datasets"][:2])
    assert scale == [{"type": "scale", "scale": [2.5, 1.0, 0.5, 0.2, 0.1]}]
    assert coarser[0]["scale"] == [2.5, 1.0, 0.5, 0.4, 0.2]
    assert coarser[1] == {"type": "translation", "translation": [0.0, 0.0, 0.0, 0.1, 0.05]}
    levels = _levels(root)
    assert [level.shape[-2:] for level in levels] == [(600, 333), (300, 167), (150, 84)]
    np.testing.assert_array_equal(levels[0], HYPERSTACK.transpose(0, 2, 1, 3, 4))
    channels = ome["omero"]["channels"]
    for index, channel in enumerate(channels):
        values = HYPERSTACK[:, :, index]
        window = channel["window"]
        assert (window["min"], window["max"]) == (values.min(), values.max())
        assert window["min"] <= window["start"] < window["end"] <= window["max"]
    assert len({channel["color"] for channel in channels}) == 2


def test_levels_are_rounded_means_of_the_full_resolution(tmp_path: Path) -> None:
    plane_yx = np.random.default_rng(1).integers(0, 4, (600, 520)).astype("uint8")
    root, _ = _write(tmp_path, plane_yx, photometric="minisblack")
    _, half, quarter = _levels(root)
    for level, factor in ((half, 2), (quarter, 4)):
        means = plane_yx.reshape(600 // factor, factor, 520 // factor, factor).mean((1, 3))
        np.testing.assert_array_equal(level, np.rint(means).astype("uint8"))


def test_nan_is_no_part_of_a_mean(tmp_path: Path) -> None:
    plane_yx = np.ones((300, 300), "float32")
    plane_yx[0, 0] = plane_yx[4:6, 4:6] = np.nan
    plane_yx[0, 1] = 3
    root, _ = _write(tmp_path, plane_yx, photometric="minisblack")
    full, half = _levels(root)
    np.testing.assert_array_equal(full, plane_yx)
    assert half[0, 0] == pytest.approx(5 / 3)
    assert np.isnan(half[2, 2])
    assert np.isnan(half).sum() == 1


def test_large_planes_have_tiles_and_dark_ones_are_written(tmp_path: Path) -> None:
    stack = np.zeros((3, 1100, 40), "uint16")
    stack[1] = 7
    root, archive = _write(tmp_path, stack, imagej=True, metadata={"axes": "ZYX"})
    full = root["0"]
    assert isinstance(full, zarr.Array)
    assert full.chunks == (1, 1024, 40)
    assert full.shards == (3, 2048, 40)
    with ZipFile(archive) as packed:
        assert sum(name.startswith("0/c/") for name in packed.namelist()) == 1
    index = (tmp_path / "result.ome.zarr/0/c/0/0/0").read_bytes()[-(6 * 16 + 4) : -4]
    # A chunk that is missing has 2^64 - 1 in the index of its shard.
    assert (np.frombuffer(index, "<u8") < 2**63).all()


def test_the_zip_file_has_the_metadata_first_and_opens_as_it_is(tmp_path: Path) -> None:
    root, archive = _write(tmp_path, HYPERSTACK[:, 0, 0], imagej=True, metadata={"axes": "TYX"})
    with ZipFile(archive) as packed:
        assert json.loads(packed.comment) == {"ome": {"version": "0.5"}}
        names = packed.namelist()
        assert names[:4] == ["zarr.json", "0/zarr.json", "1/zarr.json", "2/zarr.json"]
        assert {entry.compress_type for entry in packed.infolist()} == {ZIP_STORED}
        assert packed.testzip() is None
    again = zarr.open_group(ZipStore(archive, mode="r"), mode="r")
    assert dict(again.attrs) == dict(root.attrs)
    np.testing.assert_array_equal(_levels(again)[0], HYPERSTACK[:, 0, 0])


def test_positions_are_images_of_their_own(tmp_path: Path) -> None:
    source, archive = tmp_path / "wells.ome.tif", tmp_path / "result.ozx"
    with tifffile.TiffWriter(source, ome=True) as tiff:
        for well in HYPERSTACK[0, :2]:
            tiff.write(
                well, photometric="minisblack", metadata={"axes": "CYX", "Channel": {"Name": ["a", "b"]}}
            )
    with open_planes(source) as planes:
        assert planes.header.axes == "PCYX"
        write_result(archive, planes, like=planes, options=ZARR)
    root = zarr.open_group(ZipStore(archive, mode="r"), mode="r")
    assert root.attrs["ome"] == {"version": "0.5", "bioformats2raw.layout": 3}
    assert root["OME"].attrs["ome"] == {"version": "0.5", "series": ["0", "1"]}
    for well in range(2):
        image = root[str(well)]
        assert isinstance(image, zarr.Group)
        np.testing.assert_array_equal(_levels(image)[0], HYPERSTACK[0, well])
        ome: Any = image.attrs["ome"]
        assert [channel["label"] for channel in ome["omero"]["channels"]] == ["a", "b"]
    unpack(archive, tmp_path / "unpacked")
    validate_zarr_store(str(tmp_path / "unpacked"))


@pytest.mark.parametrize("axes", ["ICYX", "IYX"])
def test_pages_of_unknown_meaning_become_times(tmp_path: Path, axes: str) -> None:
    stack = HYPERSTACK[0, :, : axes.count("C") + 1, :40, :40].reshape(4, *[2] * axes.count("C"), 40, 40)
    root, _ = _write(tmp_path, stack, photometric="minisblack", metadata={"axes": axes})
    ome: Any = root.attrs["ome"]
    names = "".join(axis["name"] for axis in ome["multiscales"][0]["axes"])
    assert names.upper() == axes.replace("I", "T")
    np.testing.assert_array_equal(_levels(root)[0], stack)


def test_equal_results_are_identical_files(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        _, archive = _write(
            tmp_path / name, HYPERSTACK[0, :, 0, :40, :40], imagej=True, metadata={"axes": "ZYX"}
        )
        written.append(archive.read_bytes())
    assert written[0] == written[1]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "source.tif", tmp_path / "result.ozx"
    tifffile.imwrite(source, HYPERSTACK[:, 0, 0], photometric="minisblack")

    def failing(reader: PlaneSource) -> Iterator[NDArray[Any]]:
        yield reader[0]
        raise InterruptedError

    with open_planes(source) as reader, pytest.raises(InterruptedError):
        write_result(target, failing(reader), like=reader, options=ZARR)
    assert list(tmp_path.iterdir()) == [source]
