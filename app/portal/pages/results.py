"""The result of a job: pictures to compare, whether to trust them, and files to download."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.documents.artifacts import ArtifactDocument
from app.documents.jobs import JobDocument
from app.http.authorization import READ
from app.http.dependencies import ReadSession, RequestServices, Services
from app.portal.rendering import Page
from models_store.contracts.trust import TRUST_PREVIEW, TRUST_REPORT
from models_store.contracts.vocabulary import JobState, Output
from models_store.database.tables import Artifact, Image
from models_store.errors import NotFoundError
from models_store.image_files.header import ImageHeader
from models_store.repositories.jobs import rows as jobs
from models_store.repositories.jobs.activity import image_names
from models_store.repositories.jobs.artifacts import list_artifacts
from models_store.repositories.jobs.stages import stage_row

router = APIRouter()


class ShownOutput(BaseModel):
    """A file of an image's result, and the address of its planes."""

    output: Output
    name: str
    planes_href: str


class ShownImage(BaseModel):
    """An image with its results; `planes_href` is None if the image has been deleted."""

    id: str
    name: str
    planes_href: str | None
    outputs: list[ShownOutput]


@router.get("/results/{job_id}", dependencies=READ)
def result(job_id: str, page: Page, session: ReadSession, services: RequestServices) -> HTMLResponse:
    job = jobs.get_job(session, job_id)
    listed = list_artifacts(session, [job_id]).get(job_id, [])
    artifacts = [each.row for each in listed]
    document = JobDocument.of(job, [stage_row(stage) for stage in job.stages], listed)
    if document.state is not JobState.SUCCEEDED or document.result is None:
        return page("results_waiting.html", job=document)
    images = _shown_images(session, artifacts)
    files = document.result.artifacts
    report = _report(services, artifacts, files, _images_of_groups(session, document.result.values))
    return page(
        "results.html",
        job=document,
        trust=document.result.trust,
        images=images,
        images_json=[image.model_dump(mode="json") for image in images],
        files=files,
        viewers=bool(services.settings.neuroglancer_url or services.settings.vizarr_url),
        previews=[each for each in files if each.name == TRUST_PREVIEW],
        report=report,
        by_signal=_by_signal(report),
    )


def _shown_images(session: Session, artifacts: Sequence[Artifact]) -> list[ShownImage]:
    of_images: dict[str, list[Artifact]] = {}
    for artifact in artifacts:
        if artifact.image_id is not None and artifact.output is not None:
            of_images.setdefault(artifact.image_id, []).append(artifact)
    found = {row.id: row for row in session.scalars(select(Image).where(Image.id.in_(of_images)))}
    return [_shown(image_id, found.get(image_id), made) for image_id, made in of_images.items()]


def _shown(image_id: str, image: Image | None, made: Sequence[Artifact]) -> ShownImage:
    return ShownImage(
        id=image_id,
        name=_name(image) if image is not None else image_id,
        planes_href=f"/v1/images/{image_id}/planes" if image is not None else None,
        outputs=[
            ShownOutput(output=each.output, name=each.name, planes_href=f"/v1/artifacts/{each.id}/planes")
            for each in sorted(made, key=lambda each: list(Output).index(each.output or Output.DENOISED))
            if each.output is not None
        ],
    )


def _name(image: Image) -> str:
    entries = ImageHeader.model_validate(image.header).series_in_file
    own = next((entry.name for entry in entries if entry.index == image.series), "")
    return f"{image.filename}, {own}" if image.series is not None and own else image.filename


def _report(
    services: Services,
    artifacts: Sequence[Artifact],
    files: Sequence[ArtifactDocument],
    images_of_groups: Sequence[Sequence[str]],
) -> dict[str, Any] | None:
    """Return the trust reports of all groups as one, or None if there is none.

    Its channels have `series`, and `images`, the names of the group's images if these are no series.
    """
    reports = []
    for stored, file in zip(artifacts, files, strict=True):
        if stored.name == TRUST_REPORT:
            with suppress(NotFoundError):
                reports.append((file, json.loads(services.blobs.get(stored.blob_key))))
    if not reports:
        return None
    channels = [
        {
            **channel,
            "series": [each.index for each in file.series],
            "images": images_of_groups[file.group] if file.group is not None and not file.series else [],
        }
        for file, report in reports
        for channel in report["channels"]
    ]
    warnings = [warning for _, report in reports for warning in report.get("warnings", ())]
    return {"channels": channels, "warnings": list(dict.fromkeys(warnings))}


def _images_of_groups(session: Session, values: Mapping[str, Any]) -> list[list[str]]:
    """Return the names of the images of each group of a job's result."""
    groups = [group["image_ids"] for group in values.get("groups", ())]
    names = image_names(session, list(chain.from_iterable(groups)))
    return [[names.get(image_id, image_id) for image_id in group] for group in groups]


def _by_signal(report: dict[str, Any] | None) -> dict[int, list[dict[str, float]]]:
    """Return the levels of signal of the channels of a report that have several, by the channel's place."""
    levels = {
        place: [each for each in channel["removed_noise"].get("by_signal", []) if _is_finite(each)]
        for place, channel in enumerate(report["channels"] if report else [])
    }
    return {place: found for place, found in levels.items() if len(found) > 1}


def _is_finite(level: dict[str, float]) -> bool:
    return all(math.isfinite(level[name]) for name in ("signal_adu", "variance", "mean", "mean_error"))
