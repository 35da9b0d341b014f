"""Times in requests."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator


def _as_written(text: object) -> object:
    """Refuse bare numbers: they could be seconds or milliseconds since 1970."""
    if isinstance(text, datetime):
        return text
    if not (isinstance(text, str) and re.match(r"\d{4}-\d\d-\d\d", text)):
        raise ValueError("must be a date and time like 2026-01-31T12:00:00Z")
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be a time that can be converted to UTC") from error


Moment = Annotated[AwareDatetime, BeforeValidator(_as_written), AfterValidator(_in_utc)]
