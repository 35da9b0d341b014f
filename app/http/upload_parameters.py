"""What an upload tells of its file, in a query or in tus's header Upload-Metadata."""

import base64
import binascii
import re
from typing import Annotated

from fastapi import Query
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from app.http.posted_settings import PostedSettings, parse_settings
from models_store.contracts.vocabulary import ImageRole
from models_store.errors import UploadProtocolError

_NO_FILENAME = re.compile(r"[/\\\x00-\x1f]")


def _require_filename(name: str) -> str:
    if _NO_FILENAME.search(name):
        raise PydanticCustomError(
            "filename", "a file name has no slash, backslash or control character; send it without its folder"
        )
    return name


Filename = Annotated[
    str,
    AfterValidator(_require_filename),
    Query(
        min_length=1,
        max_length=255,
        json_schema_extra={"pattern": r"^[^/\\\x00-\x1f]+$"},
        examples=["cells.tif"],
    ),
]

Series = Annotated[
    int | None,
    Query(
        ge=0,
        description="Number of the only image to store, from 0, if the file holds several (scenes, series, "
        "positions). Default: all, which `series` of the document lists.",
    ),
]

RequestedSettings = Annotated[
    str | None,
    Query(
        max_length=10_000,
        description="Acquisition settings as JSON, with the fields of a profile; those that the file tells "
        "too are replaced. They find or make the image's profile, so a microscope is needed, and no profile.",
        examples=['{"camera": "sCMOS", "gain": 2}'],
    ),
]

UPLOAD_METADATA = "Upload-Metadata"

# Clients in browsers send these on their own; they tell nothing that the file does not tell.
_IGNORED = frozenset({"filetype", "type", "name", "relativePath", "contentType"})
_PAIR = re.compile(r"([!-+\--~]+)(?: ([A-Za-z0-9+/]*={0,2}))?")


class ToldOfFile(BaseModel):
    """The metadata of a resumable upload; same meaning as the query of `POST /v1/images`."""

    model_config = ConfigDict(extra="forbid")

    filename: Filename
    microscope: str | None = None
    profile: str | None = None
    role: ImageRole = ImageRole.DATA
    series: Series = None
    settings: RequestedSettings = None
    idempotency_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None

    @property
    def posted_settings(self) -> PostedSettings | None:
        """Raises RequestValidationError for settings that are no JSON of a profile's fields."""
        if self.settings is None:
            return None
        return parse_settings(self.settings, ("header", UPLOAD_METADATA, "settings"))


def told_of_file(header: str) -> ToldOfFile:
    """Read the header Upload-Metadata. Raises UploadProtocolError or RequestValidationError."""
    told = {name: value for name, value in parse_metadata(header).items() if name not in _IGNORED}
    try:
        return ToldOfFile.model_validate_strings(told)
    except ValidationError as error:
        found = error.errors(include_url=False)
        raise RequestValidationError(
            [{**each, "loc": ("header", UPLOAD_METADATA, *each["loc"])} for each in found]
        ) from error


def parse_metadata(header: str) -> dict[str, str]:
    """Return the texts of the header Upload-Metadata by name. Raises UploadProtocolError."""
    told: dict[str, str] = {}
    for pair in filter(None, (each.strip() for each in header.split(","))):
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise UploadProtocolError(
                f"Upload-Metadata: {pair[:60]!r} is no name, a space and a value in base64"
            )
        name, value = match[1], match[2] or ""
        if name in told:
            raise UploadProtocolError(f"Upload-Metadata: {name[:60]!r} is given twice")
        try:
            told[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise UploadProtocolError(
                f"Upload-Metadata: the value of {name[:60]!r} is no UTF-8 text in base64"
            ) from error
    return told
