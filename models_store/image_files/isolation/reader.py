"""A reading process as a reader of image files."""

import socket
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeGuard
from weakref import WeakSet

from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.isolation.conversation import Conversation
from models_store.image_files.isolation.isolated_planes import IsolatedPlanes, SharedPlanes
from models_store.image_files.isolation.own_file import OwnFile
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.isolation.sources import FolderSource, RangedFile, RangesSource
from models_store.image_files.planes import PlaneSource

_MAX_PREVIEW_BYTES = 2**24


class ImageReader(Protocol):
    """A reader of image files."""

    def open(
        self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
    ) -> PlaneSource:
        """Open an image file and read its header; raises the errors of `open_planes`."""
        ...


class Reader:
    """A reading process. If a file makes it crash or hang, ImageCorruptError is raised."""

    def __init__(
        self, connection: socket.socket, limits: ReadingLimits, process_id: int | None = None
    ) -> None:
        self._conversation = Conversation(connection, limits, process_id)
        self._shared = SharedPlanes(self._conversation)
        self._own_files = WeakSet[OwnFile]()

    def close(self) -> None:
        """Close the files and what the reading process may ask for; it ends with its connection."""
        self._conversation.close()
        for own_file in self._own_files:
            own_file.close()

    def open(
        self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
    ) -> IsolatedPlanes:
        """Open an image file or folder and read its header; raises the errors of `open_planes`.

        `series`: the number of the image if the file holds several.
        """
        return self._send_file(file, {"do": "open", "limits": asdict(limits), "series": series})[0]

    def list_images(self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS) -> ImagesInFile:
        """List the images of a file; see `listing.list_images`."""
        request = {"do": "list_images", "limits": asdict(limits)}
        message, _ = self._ask_of_file(file, request, "the headers", 0)
        return ImagesInFile.model_validate(message["images"])

    def inspect(
        self, file: Path | RangedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
    ) -> tuple[IsolatedPlanes, bytes]:
        """Open an image file or folder, check some of its pixels, and return it and a PNG of a plane.

        Raises the errors of `open_planes` and `check_content`.
        """
        request = {"do": "inspect", "limits": asdict(limits), "series": series}
        return self._send_file(file, request, _MAX_PREVIEW_BYTES)

    def _send_file(
        self, file: Path | RangedFile, request: dict[str, Any], max_payload_bytes: int = 0
    ) -> tuple[IsolatedPlanes, bytes]:
        own_file = OwnFile(file) if _is_one_file(file) else None
        if own_file is not None:
            self._own_files.add(own_file)
        message, payload = self._ask_of_file(own_file or file, request, "the header", max_payload_bytes)
        header = ImageHeader.model_validate(message["header"])
        return IsolatedPlanes(self._shared, message["file"], header, own_file), bytes(payload)

    def _ask_of_file(
        self, file: Path | RangedFile | OwnFile, request: dict[str, Any], what: str, max_payload_bytes: int
    ) -> tuple[dict[str, Any], bytearray]:
        if isinstance(file, OwnFile):
            return self._conversation.ask(
                request, what, max_payload_bytes=max_payload_bytes, descriptor=file.descriptor
            )
        if _is_one_file(file):
            with closing(OwnFile(file)) as own_file:
                return self._ask_of_file(own_file, request, what, max_payload_bytes)
        source = FolderSource(file) if isinstance(file, Path) else RangesSource(file)
        request |= self._conversation.offer(source)
        return self._conversation.ask(request, what, max_payload_bytes=max_payload_bytes)


def _is_one_file(file: Path | RangedFile) -> TypeGuard[Path]:
    return isinstance(file, Path) and not file.is_dir()
