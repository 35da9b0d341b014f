"""Files that jobs made."""

from fastapi import APIRouter, Response

from app.dependencies import Provided, Reading
from app.downloads import IfNoneMatch, download
from models_store.repositories import jobs

router = APIRouter(prefix="/artifacts", tags=["artifacts"])


@router.get("/{artifact_id}/content", response_class=Response)
def get_content(
    artifact_id: str, session: Reading, provided: Provided, if_none_match: IfNoneMatch = None
) -> Response:
    """Download a file that a job made; Range requests and conditional requests are honoured."""
    artifact = jobs.get_artifact(session, artifact_id)
    return download(
        provided,
        key=artifact.blob_key,
        sha256=artifact.sha256,
        media_type=artifact.media_type,
        filename=artifact.name,
        if_none_match=if_none_match,
    )
