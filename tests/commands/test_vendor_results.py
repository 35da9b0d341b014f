"""Files of microscopes through `clearscope denoise`: what other programs read in the results."""

from pathlib import Path

import pytest

from models_store.image_files.isolation.reader import Reader
from tests.support.commands import clearscope
from tests.support.vendor_facts import DENOISED, OTHERS, Facts, name_of
from tests.support.vendor_results import check_ome_tiff, check_ome_zarr

INSTANT = ("--preset", "instant", "--device", "cpu")
AS_OME_ZARR = {"nd2_cluster.nd2", "czi_WellD6-7_S2.czi", "ndtiff_v3_12bit_mda", "imagej_head.tif"}
CASES = [*(("vendor", facts) for facts in DENOISED), *(("formats", facts) for facts in OTHERS)]


def case_id(value: str | Facts) -> str:
    return value if isinstance(value, str) else name_of(value)


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "facts"), CASES, ids=case_id)
def test_a_result_has_what_the_header_says(
    folder: str, facts: Facts, test_data: Path, tmp_path: Path, reader: Reader
) -> None:
    source, result = test_data / folder / facts.name, tmp_path / "out.ome.tif"
    clearscope("denoise", source, result, *INSTANT, *_choice(facts))
    check_ome_tiff(result, facts, source, reader)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "facts"), [case for case in CASES if case[1].name in AS_OME_ZARR], ids=case_id
)
def test_an_ome_zarr_has_it_too(
    folder: str, facts: Facts, test_data: Path, tmp_path: Path, reader: Reader
) -> None:
    source, result = test_data / folder / facts.name, tmp_path / "out.ome.zarr"
    clearscope("denoise", source, result, *INSTANT, *_choice(facts))
    check_ome_zarr(result, facts, source, reader)


def _choice(facts: Facts) -> tuple[str, ...]:
    return () if facts.series is None else ("--series", str(facts.series))
