"""Files of each kind that claim a billion planes, or a million times a million pixels."""

import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from models_store.errors import ImageError, ImageTooLargeError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reading_limits import ReadingLimits
from tests.support.microscope_files import noise, ome_document, ome_image, write_imagej, write_pages
from tests.support.ndtiff_files import INDEX, Plane, entry, ndtiff_folder
from tests.support.reader_kinds import KINDS
from tests.support.spe_files import write_spe
from tests.support.tiff_sets import COMPANION, unpacked

BILLION, MILLION = 10**9, 10**6
MADE = {kind.name: kind for kind in KINDS}


def written(name: str, folder: Path) -> Path:
    return MADE[name].written(folder / "made")[0]


def tiff_of_large_planes(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = written(name, folder)
        with tifffile.TiffFile(path, mode="r+") as tiff:
            for page in tiff.pages:
                page.aspage().tags["ImageWidth"].overwrite(MILLION)
                page.aspage().tags["ImageLength"].overwrite(MILLION)
        return path

    return write


def imagej_of_many(folder: Path) -> Path:
    entries = [f"images={BILLION}", f"frames={BILLION}", "hyperstack=true"]
    return write_imagej(folder / "many.tif", noise(3, 32, 40), entries)


def ome_of_many(folder: Path) -> Path:
    return write_pages(
        folder / "many.ome.tif", noise(3, 32, 40), ome_document(ome_image(0, {"T": BILLION, "C": 2}))
    )


def lif(*changes: tuple[int, int]) -> Callable[[Path], Path]:
    """Return a writer of a LIF whose lengths are changed, given as the true and the false one."""

    def write(folder: Path) -> Path:
        path = written("cells.lif", folder)
        content = path.read_bytes()
        for true, false in changes:
            claim = f'NumberOfElements="{true}" Origin="0"'
            lie = f'NumberOfElements="{false}"'.ljust(len(claim))
            assert len(lie) == len(claim)
            assert claim.encode("utf-16-le") in content
            content = content.replace(claim.encode("utf-16-le"), lie.encode("utf-16-le"))
        path.write_bytes(content)
        return path

    return write


def ims_of_many(folder: Path) -> Path:
    path = written("cells.ims", folder)
    with h5py.File(path, "r+") as file:
        file["DataSetInfo/TimeInfo"].attrs["DatasetTimePoints"] = np.frombuffer(b"%d" % BILLION, "S1")
    return path


def ims_of_large_planes(folder: Path) -> Path:
    path = written("cells.ims", folder)
    with h5py.File(path, "r+") as file:
        sizes = np.frombuffer(b"%d" % MILLION, "S1")
        for axis in "XY":
            file["DataSetInfo/Image"].attrs[axis] = sizes
        for time in file["DataSet/ResolutionLevel 0"].values():
            for channel in time.values():
                for axis in "XY":
                    channel.attrs[f"ImageSize{axis}"] = sizes
                del channel["Data"]  # chunks that were never written take no space
                channel.create_dataset("Data", (3, MILLION, MILLION), "uint16", chunks=(1, 256, 256))
    return path


def mrc(x: int, y: int, z: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = written("volume.mrc", folder)
        content = bytearray(path.read_bytes())
        for at in (0, 28):
            struct.pack_into("<3i", content, at, x, y, z)
        path.write_bytes(content)
        return path

    return write


def spe(frames: int, changed: dict[str, tuple[str, int, float]]) -> Callable[[Path], Path]:
    return lambda folder: write_spe(folder / "a.spe", noise(3, 32, 40), frames, changed)


def zarr(name: str, **changes: Any) -> Callable[[Path], Path]:
    """Return a writer of an OME-Zarr whose array claims another `shape` or other `chunks`."""

    def write(folder: Path) -> Path:
        path = written(name, folder)
        (document,) = [each for each in (path / "0/.zarray", path / "0/zarr.json") if each.exists()]
        content = json.loads(document.read_text())
        content["shape"] = changes["shape"]
        if "chunks" in changes and name.startswith("v2"):
            content["chunks"] = changes["chunks"]
        elif "chunks" in changes:
            content["chunk_grid"]["configuration"]["chunk_shape"] = changes["chunks"]
        document.write_text(json.dumps(content))
        return path

    return write


def companion(old: str, new: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = written("ome_set", folder)
        xml = (path / COMPANION).read_text()
        assert old in xml
        (path / COMPANION).write_text(xml.replace(old, new))
        return path

    return write


def mmstack(old: str, new: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = written("mmstack", folder)
        for member in path.iterdir():
            content = io.BytesIO(member.read_bytes())
            with tifffile.TiffFile(content, mode="r+") as tiff:
                text = tiff.pages.first.tags["ImageDescription"]
                assert old in text.value
                text.overwrite(text.value.replace(old, new))
            member.write_bytes(content.getvalue())
        return path

    return write


def ndtiff(folder: Path, axes: dict[str, int | str], width: int, height: int) -> Path:
    files = ndtiff_folder([Plane({"time": 0}, noise(32, 40)), Plane({"time": 1}, noise(32, 40))])
    (name,) = files.keys() - {INDEX}
    files[INDEX] += entry(axes, name, (100, width, height, 1, 0, 200, 10, 0))
    return unpacked(folder / "run", files)


LARGE = (2, 2, 3, MILLION, MILLION)
MANY = (BILLION, 2, 3, 32, 40)
LIES: dict[str, Callable[[Path], Path]] = {
    "TIFF of large planes": tiff_of_large_planes("pages.tif"),
    "BigTIFF of large planes": tiff_of_large_planes("stack.tif"),
    "OME-TIFF of large planes": tiff_of_large_planes("cells.ome.tif"),
    "ImageJ of large planes": tiff_of_large_planes("imagej.tif"),
    "ImageJ of many": imagej_of_many,
    "OME-TIFF of many": ome_of_many,
    "LIF of many": lif((2, BILLION)),
    "LIF of large planes": lif((32, MILLION), (40, MILLION)),
    "IMS of many": ims_of_many,
    "IMS of large planes": ims_of_large_planes,
    "MRC of many": mrc(40, 32, BILLION),
    "MRC of large planes": mrc(MILLION, MILLION, 3),
    "SPE of many": spe(BILLION, {}),
    "SPE of large planes": spe(3, {"width": ("H", 42, 65535), "height": ("H", 656, 65535)}),
    "Zarr 2 of many": zarr("v2.ome.zarr", shape=MANY),
    "Zarr 2 of large planes": zarr("v2.ome.zarr", shape=LARGE),
    "Zarr 2 of large chunks": zarr("v2.ome.zarr", shape=LARGE, chunks=(1, 1, 1, MILLION, MILLION)),
    "Zarr 3 of many": zarr("v3.ome.zarr", shape=MANY),
    "Zarr 3 of large planes": zarr("v3.ome.zarr", shape=LARGE),
    "Zarr 3 of large chunks": zarr("v3.ome.zarr", shape=LARGE, chunks=(1, 1, 1, MILLION, MILLION)),
    "shards of many": zarr("sharded.ome.zarr", shape=MANY),
    "large shards": zarr("sharded.ome.zarr", shape=LARGE, chunks=LARGE),
    "set of many": companion('SizeT="2"', f'SizeT="{BILLION}"'),
    "set of large planes": companion('SizeX="40" SizeY="32"', f'SizeX="{MILLION}" SizeY="{MILLION}"'),
    "MMStack of many": mmstack('SizeT="2"', f'SizeT="{BILLION}"'),
    "MMStack of large planes": mmstack('SizeX="40" SizeY="32"', f'SizeX="{MILLION}" SizeY="{MILLION}"'),
    "NDTiff of many": lambda folder: ndtiff(folder, {"time": BILLION}, 40, 32),
    "NDTiff of large planes": lambda folder: ndtiff(folder, {"time": 2}, MILLION, MILLION),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_claim_is_refused_or_not_believed_and_takes_no_memory(
    isolation: Isolation, tmp_path: Path, lie: str
) -> None:
    path = LIES[lie](tmp_path)
    with isolation.reader(ReadingLimits(memory_bytes=2**30, answer_s=20.0)) as reader:
        try:
            planes = reader.open(path)
            read = [*planes]
        except (ImageError, ImageTooLargeError) as refusal:
            assert len(refusal.detail) > 20  # noqa: PT017  # what is there may also be read
            for fate in ("crash", "within 20 seconds", "takes more memory"):
                assert fate not in refusal.detail  # noqa: PT017
            return
    assert len(read) <= 12
    assert {plane.shape for plane in read} == {(32, 40)}
