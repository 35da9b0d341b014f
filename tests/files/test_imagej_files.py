"""ImageJ files: signed pixels, units of each axis, inverted look-up tables, numbers of planes."""

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.reader import open_planes
from tests.support.microscope_files import copied, noise, write_imagej

SIGNED = ["cf=0", "c0=-32768.0", "c1=1.0", "vunit=Gray Value"]


def test_signed_pixels_have_their_values(tmp_path: Path) -> None:
    values = noise(3, 32, 40).astype("int16") - 150
    stored = (values.astype("int32") + 32768).astype("uint16")
    entries = ["images=3", "frames=3", *SIGNED, "min=32700.0", "max=32800.0"]
    file = copied(write_imagej(tmp_path / "signed.tif", stored, entries))
    assert file.header.dtype == "int16"
    np.testing.assert_array_equal(file.pixels, values)
    with tifffile.TiffFile(file.result) as tiff:
        np.testing.assert_array_equal(tiff.asarray(), values.astype("float32"))
        metadata = tiff.imagej_metadata or {}
    assert (metadata["min"], metadata["max"]) == (-68, 32)
    assert "c0" not in metadata


def test_signed_pixels_can_be_kept_as_such(tmp_path: Path) -> None:
    stored = noise(1, 32, 40) + 32700
    source = write_imagej(tmp_path / "signed.tif", stored, [*SIGNED, "finterval=0.5"])
    with tifffile.TiffFile(copied(source, dtype="same").result) as tiff:
        assert tiff.pages.first.dtype == np.int16
        assert (tiff.imagej_metadata or {})["finterval"] == 0.5


def test_another_calibration_is_told_and_kept_for_integers_alone(tmp_path: Path) -> None:
    source = write_imagej(
        tmp_path / "photons.tif", noise(1, 32, 40), ["cf=0", "c0=-10.0", "c1=0.5", "vunit=e"]
    )
    file = copied(source)
    assert "in e, -10.0 + 0.5 x the stored number" in file.header.warnings[0]
    with tifffile.TiffFile(file.result) as tiff:
        assert "c1" not in (tiff.imagej_metadata or {})
    with tifffile.TiffFile(copied(source, dtype="same").result) as tiff:
        assert (tiff.imagej_metadata or {})["c1"] == 0.5


@pytest.mark.parametrize("unit", ["um", "micron", "microns", "micrometers", "µm", "\\u00B5m", " Micrometre"])
def test_micrometres_in_any_spelling(tmp_path: Path, unit: str) -> None:
    options = {"resolution": (5, 4), "resolutionunit": 1}
    size = copied(write_imagej(tmp_path / "a.tif", noise(1, 32, 40), [f"unit={unit}"], **options)).header
    assert size.pixel_size_um is not None
    assert (size.pixel_size_um.x_um, size.pixel_size_um.y_um) == (0.2, 0.25)


@pytest.mark.parametrize(
    ("entries", "resolution", "expected_um"),
    [
        (["unit=micron", "zunit=nm", "spacing=400.0"], (4, 4), (0.25, 0.25, 0.4)),
        (["unit=micron", "yunit=nm", "spacing=2"], (4, 0.005), (0.25, 0.2, 2)),
        (["unit=micron", "spacing=-0.75"], (4, 4), (0.25, 0.25, 0.75)),
        (["unit=nm", "spacing=300"], (0.01, 0.01), (0.1, 0.1, 0.3)),
        (["unit=cm", "spacing=0.0001"], (10_000, 10_000), (1, 1, 1)),
        (["unit=pixel"], (4, 4), None),
    ],
)
def test_each_axis_has_its_unit(
    tmp_path: Path,
    entries: list[str],
    resolution: tuple[float, float],
    expected_um: tuple[float, float, float] | None,
) -> None:
    options = {"resolution": resolution, "resolutionunit": 1}
    lines = ["images=2", "slices=2", *entries]
    size = copied(write_imagej(tmp_path / "a.tif", noise(2, 32, 40), lines, **options)).header.pixel_size_um
    found = (size.x_um, size.y_um, size.z_um) if size else None
    assert found == (pytest.approx(expected_um) if expected_um else None)


def test_without_a_unit_the_tags_tell_the_size(tmp_path: Path) -> None:
    options = {"resolution": (50_000, 40_000), "resolutionunit": "CENTIMETER"}
    size = copied(write_imagej(tmp_path / "a.tif", noise(1, 32, 40), [], **options)).header.pixel_size_um
    assert size is not None
    assert (size.x_um, size.y_um) == pytest.approx((0.2, 0.25))


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("entries", "pages", "axes", "shape", "told"),
    [
        (["images=3", "frames=3"], 5, "TYX", (5,), 3),
        (["images=10", "frames=10"], 4, "TYX", (4,), 10),
        (["images=10", "frames=5", "channels=2"], 6, "TCYX", (3, 2), 10),
        (["images=10", "frames=5", "channels=2"], 7, "ZYX", (7,), 10),
        (["images=4", "frames=2", "channels=2"], 7, "ZYX", (7,), 4),
        (["images=6"], 6, "ZYX", (6,), None),
    ],
)
def test_all_planes_are_read_however_many_are_told(
    tmp_path: Path,
    entries: list[str],
    pages: int,
    axes: str,
    shape: tuple[int, ...],
    told: int | None,
    compression: str | None,
) -> None:
    planes = noise(pages, 32, 40)
    file = copied(write_imagej(tmp_path / "a.tif", planes, [*entries, "unit=um"], compression=compression))
    np.testing.assert_array_equal(file.pixels, planes)
    assert (file.header.file_kind, file.header.axes, file.header.shape[:-2]) == ("imagej", axes, shape)
    assert bool(file.header.warnings) == (told is not None)
    if told is not None:
        assert str(told) in file.header.warnings[0]
        assert str(pages) in file.header.warnings[0]


def test_an_inverted_look_up_table_stays_and_is_previewed(reader: Reader, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(40, dtype="uint16") * 10, (1, 32, 1))
    source = write_imagej(tmp_path / "inverted.tif", ramp, ["min=0.0", "max=390.0"], photometric="miniswhite")
    file = copied(source)
    assert file.header.white_is_zero
    np.testing.assert_array_equal(file.pixels, ramp)
    with tifffile.TiffFile(file.result) as tiff:
        assert tiff.pages.first.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        assert (tiff.imagej_metadata or {})["max"] == 390
    with Image.open(io.BytesIO(reader.inspect(source)[1])) as picture:
        grey = np.asarray(picture)
    assert grey[0, 0] == 255
    assert grey[0, -1] == 0


def test_a_composite_keeps_its_tables_ranges_labels_and_regions(tmp_path: Path) -> None:
    source = tmp_path / "composite.tif"
    table = np.arange(256, dtype="uint8")
    region = b"Iout" + bytes(124)
    metadata = {
        "axes": "TCYX",
        "mode": "composite",
        "unit": "um",
        "finterval": 0.25,
        "LUTs": [np.stack([table, 0 * table, 0 * table]), np.stack([0 * table, table, 0 * table])],
        "Ranges": (100.0, 300.0, 90.0, 200.0),
        "Labels": [f"t{plane // 2} c{plane % 2}" for plane in range(6)],
        "Info": "stage = 3\n",
        "ROI": region,
        "Overlays": [region, region],
    }
    planes = noise(3, 2, 32, 40)
    tifffile.imwrite(source, planes, imagej=True, resolution=(5, 5), metadata=metadata)
    with tifffile.TiffFile(source) as before, tifffile.TiffFile(copied(source).result) as after:
        kept, expected = after.imagej_metadata or {}, before.imagej_metadata or {}
    np.testing.assert_array_equal(kept.pop("LUTs"), expected.pop("LUTs"))
    assert kept == expected


def test_a_stack_with_one_page_that_tells_only_a_number_of_images(tmp_path: Path) -> None:
    path = tmp_path / "old.tif"
    planes = noise(4, 32, 40).astype(">u2")
    write_imagej(path, planes[:1], ["images=4"])
    with tifffile.TiffFile(path) as tiff:
        offset = tiff.pages.first.dataoffsets[0]
    assert path.stat().st_size == offset + planes[0].nbytes
    with path.open("ab") as file:
        file.write(planes[1:].tobytes())
    with open_planes(path) as opened:
        assert (opened.header.axes, opened.header.planes) == ("ZYX", 4)
        np.testing.assert_array_equal(np.stack(list(opened)), planes)
