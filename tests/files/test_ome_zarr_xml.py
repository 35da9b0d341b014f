"""OME-XML in OME-Zarr results: date, instrument and times, for which their JSON has no place."""

import re
from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
from ome_types import OME
from yaozarrs import validate_zarr_store

from models_store.contracts.vocabulary import OutputDtype, OutputFormat
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.objective import objective_of
from models_store.image_files.results.ome_zarr.archive import unpack
from models_store.image_files.results.result_file import ResultOptions, write_result

KEPT = {
    *("axes", "shape", "pixel_size_um", "channel_names", "channel_colours", "time_interval_s"),
    *("acquired_at", "microscope"),
}
WELLS = np.random.default_rng(0).integers(90, 400, (2, 3, 32, 40)).astype(np.uint16)


def write(source: Path, reader: Reader, folder: Path, series: int | None = None) -> ImageHeader:
    """Copy an image to an OME-Zarr, as a ZIP file and a folder; return the header of its source."""
    planes = reader.open(source, series=series)
    options = ResultOptions(OutputFormat.OME_ZARR, OutputDtype.SAME)
    write_result(folder / "result.ozx", iter(planes), like=planes, options=options)
    unpack(folder / "result.ozx", folder / "result.ome.zarr")
    validate_zarr_store(str(folder / "result.ome.zarr"))
    return planes.header


def xml_of(folder: Path) -> Path:
    return folder / "result.ome.zarr" / "OME" / "METADATA.ome.xml"


def ome_of(folder: Path) -> OME:
    return ome_types.from_xml(xml_of(folder))


@pytest.mark.parametrize("kind", ["result.ozx", "result.ome.zarr"])
@pytest.mark.parametrize(
    ("name", "series", "detector"),
    [
        ("nd2_cluster.nd2", None, "Nikon A1plus"),
        ("czi_WellD6-7_S2.czi", 0, None),
        ("czi_CellDivision_T3_Z5_CH2_X240_Y170.czi", None, "Axiocam506m"),
        ("ome_master", None, None),
    ],
)
def test_what_a_microscope_told_comes_through(
    name: str,
    series: int | None,
    detector: str | None,
    kind: str,
    test_data: Path,
    tmp_path: Path,
    reader: Reader,
) -> None:
    before = write(test_data / "vendor" / name, reader, tmp_path, series)
    after = reader.open(tmp_path / kind).header
    assert after.model_dump(include=KEPT) == before.model_dump(include=KEPT)
    assert objective_of(after) == objective_of(before)
    assert [each.em_gain for each in after.acquisition] == [each.em_gain for each in before.acquisition]
    ome = ome_of(tmp_path)
    (image,) = ome.images
    assert image.pixels.metadata_only
    assert not image.pixels.tiff_data_blocks
    if detector is not None:
        assert {each.model for each in ome.instruments[0].detectors} == {detector}
        assert {each.camera for each in after.acquisition} == {detector}


def test_positions_have_elements_of_their_own(tmp_path: Path, reader: Reader) -> None:
    source = tmp_path / "wells.ome.tif"
    with tifffile.TiffWriter(source, ome=True) as tiff:
        for number, well in enumerate(WELLS):
            metadata = {
                "axes": "CYX",
                "Name": f"well {number}",
                "AcquisitionDate": f"2024-05-0{number + 1}T10:00:00",
            }
            tiff.write(well, photometric="minisblack", metadata=metadata)
    write(source, reader, tmp_path)
    assert [image.name for image in ome_of(tmp_path).images] == ["well 0", "well 1"]
    for number in range(2):
        header = reader.open(tmp_path / "result.ozx", series=number).header
        assert header.acquired_at is not None
        assert header.acquired_at.day == number + 1
    listed = reader.list_images(tmp_path / "result.ozx")
    assert [each.name for each in listed.entries] == ["well 0", "well 1"]


def test_an_image_of_which_nothing_is_known_has_its_name_and_size_alone(
    tmp_path: Path, reader: Reader
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", WELLS[0], photometric="minisblack")
    write(tmp_path / "a.tif", reader, tmp_path)
    ome = ome_of(tmp_path)
    (image,) = ome.images
    assert (image.name, image.pixels.size_t, image.acquisition_date) == ("image", 3, None)
    assert ome.instruments == []
    assert reader.open(tmp_path / "result.ozx").header.acquired_at is None


def test_pixels_that_ome_does_not_have_are_written_without_xml(tmp_path: Path, reader: Reader) -> None:
    tifffile.imwrite(tmp_path / "a.tif", WELLS[0].astype(np.uint64), photometric="minisblack")
    write(tmp_path / "a.tif", reader, tmp_path)
    assert not xml_of(tmp_path).exists()
    assert reader.open(tmp_path / "result.ome.zarr").header.shape == (3, 32, 40)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("</OME>", ""),
        ("</OME>", '<Image ID="Image:7"><Pixels ID="Pixels:7"/></Image></OME>'),
        ("<Pixels .*</Pixels>", ""),
        ('SizeC="3"', 'SizeC="2"'),
        ('SizeC="3"', ""),
    ],
)
def test_xml_of_other_images_is_not_used(
    pattern: str, replacement: str, tmp_path: Path, reader: Reader
) -> None:
    source = tmp_path / "a.ome.tif"
    tifffile.imwrite(source, WELLS[0], metadata={"axes": "CYX", "AcquisitionDate": "2024-05-01T10:00:00"})
    write(source, reader, tmp_path)
    folder = tmp_path / "result.ome.zarr"
    assert reader.open(folder).header.acquired_at is not None
    xml = xml_of(tmp_path).read_text()
    changed = re.sub(pattern, replacement, xml, count=1, flags=re.DOTALL)
    assert changed != xml
    xml_of(tmp_path).write_text(changed)
    header = reader.open(folder).header
    assert (header.acquired_at, header.shape) == (None, (3, 32, 40))
