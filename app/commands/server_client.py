"""A client of the server that a command names."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from clearscope_client import ClearScope, Conduct, Retries, UploadedImage
from clearscope_client.errors import ServerUnreachableError
from clearscope_client.sources import FileSource, Source, ZipEntry, ZipSource
from models_store.errors import ImageError, ImageTooLargeError, InvalidRequestError
from models_store.image_files.sets.folder import FolderFiles
from models_store.image_files.sets.kind import require_set_kind


@contextmanager
def connected(server: str, key: str | None = None) -> Iterator[ClearScope]:
    """Open a client that bears outages, but not that there has never been a server."""
    conduct = Conduct(server, Retries(first_contact_s=0))
    try:
        with ClearScope(server, key, conduct=conduct) as client:
            yield client
    except ServerUnreachableError as error:
        raise ServerUnreachableError(
            f"{error.detail}; start a server with `clearscope serve`, or choose another one with --server"
        ) from error


def upload(client: ClearScope, path: Path, **options: Any) -> UploadedImage:  # noqa: ANN401  # the client's own
    """Upload a file, or a folder of an image set; errors name it.

    A large file whose upload an earlier command began is gone on with.
    """
    try:
        with source_of(path) as source:
            return client.upload(source, resume=user_cache_path("clearscope") / "uploads", **options)
    except (ImageError, ImageTooLargeError) as error:
        raise InvalidRequestError(f"{path}: {error.detail}") from error


@contextmanager
def source_of(path: Path) -> Iterator[Source]:
    """Open a file, or a folder of an image set; raises ImageUnsupportedError if it is no such set."""
    if not path.is_dir():
        yield FileSource.of(path)
        return
    with FolderFiles(path) as files:
        require_set_kind(files, "a folder")
        entries = (ZipEntry(name, files.size_bytes(name), partial(files.open, name)) for name in files.names)
        yield ZipSource(f"{path.resolve().name}.zip", str(path), tuple(entries))
