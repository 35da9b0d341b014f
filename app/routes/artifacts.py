"""Routes of artifacts: files produced by jobs."""

from fastapi import APIRouter, Response

from app.http.authorization import READ
from app.http.dependencies import ReadSession, RequestServices
from app.http.downloads import Conditional, download, file_responses
from models_store.blobs.blobs import StoredBlob
from models_store.repositories.jobs.artifacts import download_name_of, get_artifact

router = APIRouter(prefix="/artifacts", tags=["artifacts"])

_RESPONSES = file_responses(
    "image/tiff", "image/png", "application/zip", "application/json", "application/ld+json", "text/markdown"
)


@router.get(
    "/{artifact_id}/content",
    dependencies=READ,
    response_class=Response,
    responses=_RESPONSES,
)
def get_content(
    artifact_id: str, session: ReadSession, services: RequestServices, conditions: Conditional
) -> Response:
    """Download a file produced by a job; supports Range and conditional requests."""
    artifact = get_artifact(session, artifact_id)
    return download(
        services,
        StoredBlob(artifact.blob_key, artifact.sha256, artifact.size_bytes),
        media_type=artifact.media_type,
        filename=download_name_of(session, artifact),
        conditions=conditions,
    )
