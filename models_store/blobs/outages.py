"""Translation of blob store failures into domain errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError as ObstoreError

from models_store.errors import OutageError, StorageFullError, UnavailableError
from models_store.full_disk import FULL_DETAIL, FULL_DISK, is_full

BLOBS_DETAIL = "the blob store does not answer; send the request again later"


@contextmanager
def blob_outages() -> Iterator[None]:
    """Raise failures of the blob store as OutageError; FileNotFoundError (unknown key) passes through."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (ObstoreError, OSError) as error:
        raise _blob_outage(error) from error


def _blob_outage(error: ObstoreError | OSError) -> OutageError:
    # obstore reports the system's error number only in the message.
    full = any(f"(os error {number})" in str(error) for number in FULL_DISK)
    if full or (isinstance(error, OSError) and is_full(error)):
        return StorageFullError(FULL_DETAIL)
    return UnavailableError(BLOBS_DETAIL)
