"""Files of microscopes through uploads and jobs: what other programs read in the artifacts."""

from pathlib import Path

import httpx
import pytest

from models_store.image_files.isolation.reader import Reader
from tests.support.posted_jobs import artifact, run, upload
from tests.support.tiff_sets import files_in, zipped
from tests.support.vendor_facts import DENOISED, OTHERS, Facts, name_of
from tests.support.vendor_results import check_ome_tiff, check_ome_zarr

AS_OME_ZARR = {"czi_newCZI_compressed.czi", "lif_2channel_xz.lif", "ndtiff_v2"}
CASES = [*(("vendor", facts) for facts in DENOISED), *(("formats", facts) for facts in OTHERS)]


def case_id(value: str | Facts) -> str:
    return value if isinstance(value, str) else name_of(value)


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("folder", "facts"), CASES, ids=case_id)
def test_an_artifact_has_what_the_header_says(
    folder: str, facts: Facts, api: httpx.Client, test_data: Path, tmp_path: Path, reader: Reader
) -> None:
    source = test_data / folder / facts.name
    result = denoised(api, source, facts, tmp_path, "ome-tiff")
    check_ome_tiff(result, facts, source, reader)


@pytest.mark.slow
@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("folder", "facts"), [case for case in CASES if case[1].name in AS_OME_ZARR], ids=case_id
)
def test_an_ome_zarr_has_it_too(
    folder: str, facts: Facts, api: httpx.Client, test_data: Path, tmp_path: Path, reader: Reader
) -> None:
    source = test_data / folder / facts.name
    result = denoised(api, source, facts, tmp_path, "ome-zarr")
    check_ome_zarr(result, facts, source, reader)


def denoised(api: httpx.Client, source: Path, facts: Facts, folder: Path, output_format: str) -> Path:
    """Upload a file, or a folder as an archive, denoise one image of it, and download the result."""
    sent = zipped(folder / f"{source.name}.zip", files_in(source)) if source.is_dir() else source
    image_id = upload(api, sent, **({} if facts.series is None else {"series": str(facts.series)}))
    job = run(
        api,
        kind="denoise",
        image_ids=[image_id],
        preset="instant",
        outputs=["denoised"],
        output_format=output_format,
    )
    suffix = {"ome-tiff": "_denoised.ome.tif", "ome-zarr": "_denoised.ozx"}[output_format]
    (name,) = (each["name"] for each in job["result"]["artifacts"] if each["name"].endswith(suffix))
    result = folder / f"result{Path(name).suffix}"
    result.write_bytes(artifact(api, job, name))
    return result
