"""Files of Olympus FluoView (OIB, OIR): header, planes, what is missing, and relatives that are refused."""

import io
import os
import struct
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.vendor.compound_file import require_uncut
from tests.support.compound_files import write_compound_file
from tests.support.microscope_files import noise
from tests.support.oib_files import write_oib
from tests.support.oir_files import write_oir

STEP_UM = (0.1, 0.2, 0.5)
SHAPES = {
    "TCZYX": (3, 2, 4, 20, 24),
    "CYX": (1, 2, 1, 20, 24),
    "ZYX": (1, 1, 4, 20, 24),
    "TYX": (3, 1, 1, 20, 24),
}
Write = Callable[..., Path]


def opened(reader: Reader, write: Write, path: Path, axes: str, **options: Any) -> Any:
    planes = reader.open(write(path, noise(*SHAPES[axes]), STEP_UM, ("DAPI", "Cy5"), **options))
    header = planes.header
    assert (header.file_kind, header.axes) == (path.suffix[1:], axes)
    size = header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um) == pytest.approx(STEP_UM[:2])
    assert (size.z_um is None) == ("Z" not in axes)
    assert header.time_interval_s == (2 if "T" in axes else None)
    assert {each.bit_depth for each in header.acquisition} == {12}
    np.testing.assert_array_equal(np.stack([*planes]), noise(*SHAPES[axes]).reshape(-1, 20, 24))
    return header


@pytest.mark.parametrize("axes", SHAPES)
def test_an_oir_is_read(reader: Reader, tmp_path: Path, axes: str) -> None:
    header = opened(reader, write_oir, tmp_path / "a.oir", axes)
    assert header.channel_names == ("DAPI", "Cy5")[: 2 if "C" in axes else 1]
    assert str(header.acquired_at) == "2020-01-01 10:00:00+01:00"


@pytest.mark.parametrize("axes", SHAPES)
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_an_oib_is_read(reader: Reader, tmp_path: Path, axes: str, compression: str | None) -> None:
    header = opened(reader, write_oib, tmp_path / "a.oib", axes, compression=compression)
    assert header.channel_names == ("CHS1", "CHS2")[: 2 if "C" in axes else 1]
    assert str(header.acquired_at) == "2020-01-01 10:00:00"
    assert header.acquisition[0].objective == "UPLSAPO 60X"


def test_oiffile_reads_the_same_planes(tmp_path: Path) -> None:
    oiffile = pytest.importorskip("oiffile")
    pixels = noise(3, 2, 4, 20, 24)
    with oiffile.OifFile(write_oib(tmp_path / "a.oib", pixels, STEP_UM, ("DAPI", "Cy5"))) as file:
        for t, c, z in product(range(3), range(2), range(4)):
            name = f"Storage00001/s_C{c + 1:03}Z{z + 1:03}T{t + 1:03}.tif"
            np.testing.assert_array_equal(file.asarray(name), pixels[t, c, z])
        assert file.axes == "TZCYX"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="oirfile needs Python 3.12")
def test_oirfile_reads_the_same_planes(tmp_path: Path) -> None:
    oirfile = pytest.importorskip("oirfile")
    pixels = noise(3, 2, 4, 20, 24)
    with oirfile.OirFile(write_oir(tmp_path / "a.oir", pixels, STEP_UM, ("DAPI", "Cy5"))) as file:
        assert file.dims == ("T", "Z", "C", "Y", "X")
        np.testing.assert_array_equal(file.asarray(), pixels.transpose(0, 2, 1, 3, 4))
        np.testing.assert_allclose(file.coords["Z"], [0, 0.5, 1, 1.5])


def test_an_oir_that_goes_on_in_other_files_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = write_oir(tmp_path / "a.oir", noise(3, 1, 1, 20, 24), STEP_UM, ("DAPI",), announced_times=5)
    with pytest.raises(ImageCorruptError, match=r"goes on in files beside it \(NAME_00001 and so on\)"):
        reader.open(path)


def test_complete_times_of_an_oib_are_read(reader: Reader, tmp_path: Path) -> None:
    pixels = noise(3, 2, 4, 20, 24)
    path = write_oib(tmp_path / "a.oib", pixels, STEP_UM, ("DAPI", "Cy5"), missing=[(2, 1, 3)])
    planes = reader.open(path)
    assert planes.header.shape == (2, 2, 4, 20, 24)
    (told,) = planes.header.warnings
    assert told.startswith("23 of 24 planes are in the file; 7 of them belong to incomplete times")
    np.testing.assert_array_equal(np.stack([*planes]), pixels[:2].reshape(-1, 20, 24))


def test_the_overview_beside_an_oir_is_not_denoised(reader: Reader, tmp_path: Path) -> None:
    pixels = noise(1, 1, 4, 20, 24)
    path = write_oir(tmp_path / "a.oir", pixels, STEP_UM, ("DAPI",), overview=noise(20, 24))
    planes, _ = reader.inspect(path)
    assert (planes.header.series, planes.header.shape) == (0, (4, 20, 24))
    np.testing.assert_array_equal(np.stack([*planes]), pixels[0, 0])
    with pytest.raises(ImageUnsupportedError, match="an overview that the program recorded"):
        reader.open(path, series=1)


@pytest.mark.parametrize("lost_bytes", [1, 512, 3000])
def test_a_compound_file_that_was_cut_is_found(tmp_path: Path, lost_bytes: int) -> None:
    content = write_oib(tmp_path / "a.oib", noise(3, 2, 4, 20, 24), STEP_UM, ("DAPI", "Cy5")).read_bytes()
    require_uncut(io.BytesIO(content))
    with pytest.raises(ImageCorruptError, match="ends before its last sector"):
        require_uncut(io.BytesIO(content[:-lost_bytes]))


def _zvi(path: Path) -> Path:
    return write_compound_file(path, {"Contents": bytes(4096)}, {"Image": {"Contents": bytes(4096)}})


def _written(content: bytes) -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        path.write_bytes(content + bytes(5000))
        return path

    return write


@pytest.mark.parametrize(
    ("write", "told"),
    [
        (_zvi, "a compound file, but no Olympus OIB: perhaps a Zeiss ZVI or an office file; export"),
        (
            _written(b"II*\0\x40\0\0\0\x18\0IS"),
            "an Olympus VSI file, whose pixels lie in ETS files beside it",
        ),
        (_written(b"SIS\0\x40\0\0\0"), "the ETS file of an Olympus VSI"),
        (_written("\ufeff[ProfileSaveInfo]".encode("utf-16-le")), "the settings of an Olympus OIF"),
    ],
    ids=["ZVI", "VSI", "ETS", "OIF"],
)
def test_a_relative_is_refused_by_name(
    reader: Reader, tmp_path: Path, write: Callable[[Path], Path], told: str
) -> None:
    with pytest.raises(ImageUnsupportedError, match=told):
        reader.open(write(tmp_path / "image"))


def test_tables_that_list_themselves_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "loop.oib"
    header = bytearray(512)
    struct.pack_into("<H", header, 30, 9)  # sectors of 512 bytes
    struct.pack_into("<I", header, 44, 2**31)  # as many tables
    struct.pack_into("<II", header, 68, 0, 2**31)  # and lists of them, the first at sector 0
    path.write_bytes(bytes(header) + b"\0" * 508 + struct.pack("<I", 0))  # which names itself as the next
    os.truncate(path, 8 << 20)
    with path.open("rb") as stream:
        tracemalloc.start()
        with suppress(ImageCorruptError):
            require_uncut(stream)
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak_bytes < 4 << 20
