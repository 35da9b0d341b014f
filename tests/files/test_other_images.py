"""Folders and archives that hold other images than the set that is read, or no set at all."""

from pathlib import Path

import numpy as np
import pytest

from models_store.errors import ImageUnsupportedError
from models_store.image_files.isolation.reader import Reader
from tests.support.ndtiff_files import Plane, ndtiff_folder
from tests.support.tiff_sets import Files, noisy, ome_set, tiff_with, unpacked, zipped
from tests.support.zarr_files import write_ome_zarr

PIXELS = noisy(2, 32, 40)


def written(folder: Path, name: str, files: Files) -> Path:
    return (zipped if name.endswith(".zip") else unpacked)(folder / name, files)


def zarr_files(folder: Path) -> Files:
    made = write_ome_zarr(folder / "cells.ome.zarr", PIXELS, "zyx")
    files = [path for path in made.rglob("*") if path.is_file()]
    return {f"cells.ome.zarr/{path.relative_to(made)}": path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["both", "both.zip"])
def test_a_zarr_is_read_and_tiffs_beside_it_are_told(name: str, tmp_path: Path, reader: Reader) -> None:
    others = {"cells.tif": tiff_with(PIXELS[0], ""), "raw/cells.czi": b"ZISRAWFILE"}
    path = written(tmp_path, name, {**zarr_files(tmp_path), **others})
    planes = reader.open(path)
    np.testing.assert_array_equal(np.stack([*planes]), PIXELS)
    told = (
        "beside the OME-Zarr are 2 other images, 'cells.tif', 'raw/cells.czi', which are not read; give them "
        "by themselves"
    )
    assert planes.header.warnings == (told,)
    assert [header.warnings for header in reader.list_images(path).headers] == [(told,)]


def test_a_zarr_alone_tells_of_no_others(tmp_path: Path, reader: Reader) -> None:
    assert reader.open(written(tmp_path, "alone", zarr_files(tmp_path))).header.warnings == ()


@pytest.mark.parametrize("kind", ["OME-TIFF", "pages"])
def test_vendors_files_beside_tiffs_are_told(kind: str, tmp_path: Path, reader: Reader) -> None:
    pages = {f"t{number}.tif": tiff_with(plane_yx, "") for number, plane_yx in enumerate(PIXELS)}
    files = ome_set(PIXELS[None, None, None]) if kind == "OME-TIFF" else pages
    told = "beside the TIFF files is another image, 'cells.nd2', which is not read; give it by itself"
    path = written(tmp_path, "both", {**files, "cells.nd2": b"1"})
    assert told in reader.open(path).header.warnings
    assert told in reader.list_images(path).headers[0].warnings
    assert told not in reader.open(written(tmp_path, "alone", files)).header.warnings


def test_tiffs_that_no_index_of_an_ndtiff_names_are_told(tmp_path: Path, reader: Reader) -> None:
    files = ndtiff_folder([Plane({"time": time}, plane_yx) for time, plane_yx in enumerate(PIXELS)])
    told = "beside the NDTiff is another image, 'projection.tif', which is not read; give it by itself"
    path = written(tmp_path, "both", {**files, "projection.tif": tiff_with(PIXELS[0], "")})
    assert told in reader.open(path).header.warnings
    assert told not in reader.open(written(tmp_path, "alone", files)).header.warnings


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["cells.czi"], "no image set, but an image, 'cells.czi'; give it without the {}"),
        (["notes.txt", "day 1/cells.LIF"], "but an image, 'day 1/cells.LIF'; give it without the {}"),
        (["b.nd2", "a.nd2"], "but 2 images, 'a.nd2', 'b.nd2'; give each of them by itself, without the {}"),
    ],
)
@pytest.mark.parametrize(("name", "container"), [("set", "folder"), ("set.zip", "ZIP archive")])
def test_images_that_are_no_set_are_to_be_given_by_themselves(
    name: str, container: str, names: list[str], told: str, tmp_path: Path, reader: Reader
) -> None:
    path = written(tmp_path, name, dict.fromkeys(names, b"1"))
    for read in (reader.inspect, reader.list_images):
        with pytest.raises(ImageUnsupportedError) as refusal:
            read(path)
        assert refusal.value.detail.startswith(f"this is a {container} that holds no image set")
        assert refusal.value.detail.endswith(told.format(container))
