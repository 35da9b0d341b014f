"""Results of images, stored without a job that computes them."""

import json
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from models_store.clock_and_ids import new_id
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.trust import TRUST_REPORT
from models_store.contracts.vocabulary import JobState, Method, Output
from models_store.database.tables import Artifact
from models_store.image_files.results.result_file import ResultOptions, is_ome_zarr, write_result
from models_store.repositories.images import get_image
from models_store.repositories.jobs.rows import create_job
from tests.support.application import Application


def store_result(
    application: Application,
    image_id: str,
    planes: Iterable[NDArray[Any]],
    output: Output = Output.DENOISED,
    options: ResultOptions | None = None,
) -> str:
    """Store planes as the result of a job on an image; return the artifact's id."""
    artifact_id, _ = store_finished_job(application, image_id, {output: planes}, options)[1][0]
    return artifact_id


def store_finished_job(
    application: Application,
    image_id: str,
    outputs: dict[Output, Iterable[NDArray[Any]]],
    options: ResultOptions | None = None,
    result: dict[str, Any] | None = None,
) -> tuple[str, list[tuple[str, Output]]]:
    """Store a job that has succeeded with these outputs of an image; return its id and its artifacts."""
    options = options or ResultOptions()
    job_id, now = new_id("job"), application.clock()
    made: list[tuple[str, Output]] = []
    with application.database.write() as session, TemporaryDirectory() as folder:
        image = get_image(session, image_id)
        spec = TrainSpec(image_ids=[image_id], method=Method.N2V)
        job = create_job(session, job_id=job_id, spec=spec, profile_id=image.profile_id, now=now)
        job.state, job.progress, job.result, job.ended_at = JobState.SUCCEEDED, 1.0, result or {}, now
        with application.isolation.reader() as reader:
            source = reader.open(application.blobs.local_path_or_ranges(image.blob_key), series=image.series)
            is_zarr = is_ome_zarr(options.file_format, source.header.file_kind)
            for output, planes in outputs.items():
                path = Path(folder) / output
                write_result(path, planes, like=source, options=options)
                blob = application.blobs.put_file(f"jobs/{job_id}/{output}", path)
                made.append((new_id("art"), output))
                session.add(
                    Artifact(
                        id=made[-1][0],
                        job_id=job_id,
                        name=f"cells-{output}.{'ozx' if is_zarr else 'tif'}",
                        media_type="application/zip" if is_zarr else "image/tiff",
                        image_id=image_id,
                        output=output,
                        blob_key=blob.key,
                        sha256=blob.sha256,
                        size_bytes=blob.size_bytes,
                        created_at=now,
                    )
                )
    return job_id, made


def store_report(application: Application, job_id: str, report: dict[str, Any]) -> None:
    """Store the trust report of such a job."""
    blob = application.blobs.put(f"jobs/{job_id}/report", json.dumps(report).encode())
    with application.database.write() as session:
        session.add(
            Artifact(
                id=new_id("art"),
                job_id=job_id,
                name=TRUST_REPORT,
                media_type="application/json",
                blob_key=blob.key,
                sha256=blob.sha256,
                size_bytes=blob.size_bytes,
                created_at=application.clock(),
            )
        )
