"""Provenance inside result files of every kind: OME's annotations, ImageJ's Info, Software, OME-Zarr."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from zarr.storage import ZipStore

from models_store.contracts.provenance import ChannelProvenance, InputFile, Provenance, UsedNoiseModel
from models_store.contracts.vocabulary import NoiseModelOrigin, OutputDtype, OutputFormat, Preset
from models_store.image_files.results.note import OWN_TAG, ProvenanceNote
from models_store.image_files.results.result_file import ResultOptions, write_result
from models_store.image_files.tiff.reader import open_planes
from tests.support.microscope_files import OME_2016, ome_document, ome_image, write_pages
from tests.support.result_files import provenance_of

STACK = np.random.default_rng(0).integers(0, 4000, (3, 40, 32)).astype("uint16")
NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
BEFORE = Provenance(
    job_id="job_1",
    kind="denoise",
    preset=Preset.FAST,
    seed=7,
    settings={"note": "<&>µ"},
    input=InputFile(image_id="img_1", filename="Zellen <µ>.tif", sha256="0" * 64),
    channels=(
        ChannelProvenance(
            channel=None,
            name=None,
            estimate="distilled",
            reason="a & b < c",
            networks=(),
            noise_model=UsedNoiseModel(id="nm_1", sha256="1" * 64, origin=NoiseModelOrigin.IMPORT),
        ),
    ),
    versions={"clearscope": "0.1.0"},
    started_at=NOON,
)


def _complete(clipped_share: float) -> Provenance:
    warnings = (f"clipped {clipped_share:.3f}", "a warning with <&> and µ")
    return BEFORE.model_copy(update={"ended_at": NOON, "warnings": warnings, "verdict": {"planes": 3}})


def _write(source: Path, options: ResultOptions | None = None, note: ProvenanceNote | None = None) -> Path:
    target = source.with_name("result.tif")
    with open_planes(source) as planes:
        noted = note or ProvenanceNote(BEFORE, _complete)
        write_result(target, planes, like=planes, options=options, note=noted)
    with open_planes(source) as planes, open_planes(target) as results:
        np.testing.assert_array_equal(np.stack(list(results)), np.stack(list(planes)))
        assert results.header.axes == planes.header.axes
    return target


@pytest.mark.parametrize(
    "source",
    [
        {"imagej": True, "metadata": {"axes": "ZYX", "Info": "exposure 20 ms, µ"}},
        {"imagej": True, "byteorder": "<", "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "ZYX"}},
        {"photometric": "minisblack", "metadata": {"axes": "ZYX"}},
        {"photometric": "minisblack", "metadata": None, "description": "recorded by hand"},
    ],
)
def test_every_kind_of_tiff_tells_what_it_was_made_from(tmp_path: Path, source: dict[str, Any]) -> None:
    path = tmp_path / "source.tif"
    tifffile.imwrite(path, STACK, **source)
    target = _write(path)
    document, _ = provenance_of(target.read_bytes())
    assert Provenance.model_validate(document) == _complete(0)
    with tifffile.TiffFile(target) as tiff:
        info = (tiff.imagej_metadata or {}).get("Info", "")
        assert source["metadata"] is None or source["metadata"].get("Info", "") in info
        if source.get("description"):
            assert tiff.pages.first.description == source["description"]


@pytest.mark.parametrize("frames", [1, 3])
def test_scanimage_keeps_its_settings_beside_the_note(tmp_path: Path, frames: int) -> None:
    settings = "SI.VERSION_MAJOR = '2021'\nSI.hChannels.channelSave = 1\n"
    with tifffile.TiffWriter(tmp_path / "source.tif", bigtiff=True) as tiff:
        for number, plane_yx in enumerate(STACK):
            text = f"frameNumbers = {number % frames}\n"
            options: dict[str, Any] = {"description": text, "software": settings, "metadata": None}
            tiff.write(plane_yx, contiguous=False, photometric="minisblack", **options)
    target = _write(tmp_path / "source.tif")
    with tifffile.TiffFile(target) as tiff:
        pages = [page.aspage() for page in tiff.pages]
        assert pages[0].software == settings.strip()
        assert pages[0].tags[OWN_TAG].value.startswith('ClearScope {"schema_version"')
        assert [OWN_TAG in page.tags for page in pages] == [True, False, False]
        assert [page.description[:15] for page in pages] == ["frameNumbers = "] * 3
    document, _ = provenance_of(target.read_bytes())
    assert Provenance.model_validate(document) == _complete(0)


def test_ome_xml_of_a_schema_without_maps_has_the_note_in_the_tag_software(tmp_path: Path) -> None:
    xml = ome_document(ome_image(0, {"Z": 3})).replace("2016-06", "2013-06")
    target = _write(write_pages(tmp_path / "source.ome.tif", STACK.transpose(0, 2, 1), xml))
    with tifffile.TiffFile(target) as tiff:
        assert tiff.pages.first.software.startswith('ClearScope {"schema_version"')
    document, _ = provenance_of(target.read_bytes())
    assert Provenance.model_validate(document) == _complete(0)


def test_an_annotation_of_an_ome_file_is_beside_its_own(tmp_path: Path) -> None:
    own = (
        '<StructuredAnnotations><CommentAnnotation ID="Annotation:0"><Value>mine</Value></CommentAnnotation>'
        "</StructuredAnnotations>"
    )
    xml = ome_document(ome_image(0, {"Z": 3})).replace("</OME>", f"{own}</OME>")
    source = write_pages(tmp_path / "source.ome.tif", STACK.transpose(0, 2, 1), xml)
    with tifffile.TiffFile(_write(source)) as tiff:
        ome = tifffile.xml2dict(tiff.ome_metadata or "")["OME"]
    assert OME_2016 in xml
    annotations = ome["StructuredAnnotations"]
    assert annotations["CommentAnnotation"]["Value"] == "mine"
    pairs = {pair["K"]: pair["value"] for pair in annotations["MapAnnotation"]["Value"]["M"]}
    assert (pairs["Input"], pairs["Estimate"], pairs["Seed"]) == ("Zellen <µ>.tif", "distilled", 7)
    assert ome["Image"]["AnnotationRef"]["ID"] == annotations["MapAnnotation"]["ID"]


def test_what_does_not_fit_is_left_to_the_crate(tmp_path: Path) -> None:
    source = tmp_path / "source.tif"
    tifffile.imwrite(source, STACK, photometric="minisblack", metadata={"axes": "ZYX"})

    def complete(_: float) -> Provenance:
        warnings = tuple(f"warning {number}" for number in range(2000))
        return BEFORE.model_copy(update={"warnings": warnings})

    document, _ = provenance_of(_write(source, note=ProvenanceNote(BEFORE, complete)).read_bytes())
    assert document["warnings"] == ["2000 warnings; see the RO-Crate of the job"]


def test_clipped_pixels_are_told_in_an_ome_zarr(tmp_path: Path) -> None:
    source, target = tmp_path / "source.tif", tmp_path / "result.ozx"
    tifffile.imwrite(source, STACK, photometric="minisblack", metadata={"axes": "ZYX"})
    with open_planes(source) as planes:
        brighter = (plane_yx.astype("float32") * 32 for plane_yx in planes)
        options = ResultOptions(OutputFormat.OME_ZARR, OutputDtype.SAME)
        pixels = write_result(
            target, brighter, like=planes, options=options, note=ProvenanceNote(BEFORE, _complete)
        )
    assert pixels.clipped == np.count_nonzero(STACK > 65535 / 32)
    root = zarr.open_group(ZipStore(target, mode="r"), mode="r")
    told = Provenance.model_validate(root.attrs["clearscope"])
    assert told == _complete(pixels.clipped_share)
