"""Documents of resumable uploads."""

from datetime import datetime
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, Field

from app.documents.images import ImageDocument
from app.http.problems import Problem, problem_document
from app.http.upload_parameters import parse_metadata
from models_store.contracts.vocabulary import UploadKind
from models_store.database.tables import ResumableUpload


class UploadState(StrEnum):
    RECEIVING = "receiving"
    RECEIVED = "received"
    """A part of a file that has arrived."""
    READING = "reading"
    """All bytes have arrived, and the image is being made."""
    FINISHED = "finished"
    REFUSED = "refused"


class UploadDocument(BaseModel):
    """A resumable upload: bytes are sent with tus, this tells what became of them."""

    id: str
    kind: UploadKind
    state: UploadState
    filename: str | None = Field(description="None for a part of a file.")
    size_bytes: int
    received_bytes: int
    expires_at: datetime = Field(description="Moves on with each part that arrives.")
    image_id: str | None = Field(default=None, description="The image that was made of the file.")
    image: ImageDocument | None = Field(default=None, description="None if the image has been deleted.")
    problem: Problem | None = Field(default=None, description="Why the file was refused.")
    created_at: datetime

    @classmethod
    def of(cls, row: ResumableUpload, image: ImageDocument | None, now: datetime) -> Self:
        problem = row.problem
        return cls(
            id=row.id,
            kind=row.kind,
            state=_state(row, now),
            filename=parse_metadata(row.upload_metadata).get("filename"),
            size_bytes=row.length_bytes,
            received_bytes=row.received_bytes,
            expires_at=row.expires_at,
            image_id=row.image_id,
            image=image,
            problem=problem_document(problem["status"], problem["code"], problem["detail"])
            if problem
            else None,
            created_at=row.created_at,
        )


def _state(row: ResumableUpload, now: datetime) -> UploadState:
    if row.problem is not None:
        return UploadState.REFUSED
    if row.image_id is not None:
        return UploadState.FINISHED
    if row.claimed_until is not None and row.claimed_until > now:
        return UploadState.READING
    return UploadState.RECEIVED if row.received_bytes == row.length_bytes else UploadState.RECEIVING
