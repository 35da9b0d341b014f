"""Detectors and objective in OME-TIFF results, as the file of the image tells them."""

from pathlib import Path

import numpy as np
import ome_types
import pytest
import tifffile
from ome_types import OME

from models_store.contracts.vocabulary import OutputFormat, TiffCompression
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.objective import objective_of
from models_store.image_files.results.result_file import ResultOptions, write_result
from tests.support.spe_files import write_spe


def result_of(source: Path, reader: Reader, target: Path, series: int | None = None) -> OME:
    planes = reader.open(source, series=series)
    options = ResultOptions(OutputFormat.OME_TIFF, compression=TiffCompression.DEFLATE)
    write_result(target, iter(planes), like=planes, options=options)
    again = reader.open(target)
    np.testing.assert_array_equal(np.stack([*again]), np.stack([*planes]))
    assert objective_of(again.header) == objective_of(planes.header)
    kept = {
        *("axes", "shape", "pixel_size_um", "channel_names", "channel_colours", "time_interval_s"),
        *("acquired_at", "microscope"),
    }
    assert again.header.model_dump(include=kept) == planes.header.model_dump(include=kept)
    for before, after in zip(planes.header.acquisition, again.header.acquisition, strict=True):
        for name in ("camera", "serial", "objective", "offset", "binning", "em_gain"):
            if getattr(before, name) is not None:
                assert getattr(after, name) == pytest.approx(getattr(before, name)), name
    return ome_types.from_tiff(target)


@pytest.mark.parametrize(
    ("name", "model", "objective", "lens"),
    [
        (
            "czi_CellDivision_T3_Z5_CH2_X240_Y170.czi",
            "Axiocam506m",
            "Plan-Apochromat 50x/1.2",
            (50, 1.2, "Water"),
        ),
        ("nd2_cluster.nd2", "Nikon A1plus", "Plan Apo λ 60x", (60, 0.95, None)),
    ],
)
def test_results_of_vendors_files_name_cameras_and_objective(
    name: str,
    model: str,
    objective: str,
    lens: tuple[object, ...],
    test_data: Path,
    tmp_path: Path,
    reader: Reader,
) -> None:
    ome = result_of(test_data / "vendor" / name, reader, tmp_path / "result.ome.tif")
    (instrument,), (image,) = ome.instruments, ome.images
    assert {each.model for each in instrument.detectors} == {model}
    (used_objective,) = instrument.objectives
    assert used_objective.model == objective
    immersion = used_objective.immersion.value if used_objective.immersion else None
    assert (used_objective.nominal_magnification, used_objective.lens_na, immersion) == lens
    assert image.instrument_ref is not None
    assert image.objective_settings is not None
    used = [channel.detector_settings.id for channel in image.pixels.channels if channel.detector_settings]
    assert used == [each.id for each in instrument.detectors]
    assert ome.uuid is not None
    assert ome.uuid.removeprefix("urn:uuid:").strip("0-")


def test_electron_multiplication_is_no_other_gain_of_the_result(
    test_data: Path, tmp_path: Path, reader: Reader
) -> None:
    source = test_data / "vendor" / "czi_WellD6-7_S2.czi"
    ome = result_of(source, reader, tmp_path / "result.ome.tif", series=0)
    (detector,) = ome.instruments[0].detectors
    assert detector.type is not None
    assert (detector.type.value, detector.amplification_gain) == ("EMCCD", 50)
    (settings,) = reader.open(tmp_path / "result.ome.tif").header.acquisition
    assert (settings.em_gain, settings.gain) == (50, None)
    assert ome.instruments[0].microscope is not None
    assert ome.instruments[0].microscope.model == "Celldiscoverer 7"


def test_the_objective_of_an_ome_tiff_comes_through(tmp_path: Path, reader: Reader) -> None:
    pixels = np.random.default_rng(0).integers(90, 400, (2, 32, 40)).astype(np.uint16)
    source = tmp_path / "a.ome.tif"
    tifffile.imwrite(source, pixels, metadata={"axes": "ZYX"})
    lens = '<Objective ID="Objective:0" LensNA="1.3" NominalMagnification="63" Immersion="Glycerol"/>'
    xml = str(tifffile.tiffcomment(source))
    xml = xml.replace("<Image ", f'<Instrument ID="Instrument:0">{lens}</Instrument><Image ', 1)
    xml = xml.replace("<Pixels ", '<ObjectiveSettings ID="Objective:0"/><Pixels ', 1)
    tifffile.tiffcomment(source, xml)
    ome = result_of(source, reader, tmp_path / "result.ome.tif")
    (objective,) = ome.instruments[0].objectives
    assert (objective.lens_na, objective.nominal_magnification) == (1.3, 63)
    assert objective.immersion is not None
    assert objective.immersion.value == "Glycerol"


def test_a_file_that_tells_of_no_detector_has_no_instrument(tmp_path: Path, reader: Reader) -> None:
    pixels = np.random.default_rng(0).integers(90, 400, (2, 32, 40)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    ome = result_of(tmp_path / "a.tif", reader, tmp_path / "result.ome.tif")
    assert ome.instruments == []


def test_results_of_an_spe_keep_exposure_and_binning(tmp_path: Path, reader: Reader) -> None:
    pixels = np.random.default_rng(0).integers(90, 400, (2, 32, 40)).astype(np.uint16)
    source = write_spe(tmp_path / "a.spe", pixels)
    ome = result_of(source, reader, tmp_path / "result.ome.tif")
    (before,) = reader.open(source).header.acquisition
    (after,) = reader.open(tmp_path / "result.ome.tif").header.acquisition
    assert before.exposure_s is not None
    assert after.exposure_s == pytest.approx(before.exposure_s)
    assert after.binning == before.binning
    assert len(ome.images[0].pixels.planes) == 2
