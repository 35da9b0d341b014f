"""Groups and arrays of a Zarr hierarchy, version 2 or 3, and the JSON documents that describe them."""

import json
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.sets.kind import ZARR_METADATA
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.zarr.stored_bytes import read_file

_MAX_DOCUMENT_BYTES = 2**26  # consolidated metadata of a plate with thousands of fields
_SHOWN = 5


class ArrayDocument(NamedTuple):
    """Metadata of an array, and the version of the format that they follow."""

    zarr_format: int
    content: dict[str, Any]


class Hierarchy:
    """The Zarr hierarchy in a set of files; paths are relative to its root group, which is ""."""

    def __init__(self, files: NamedFiles) -> None:
        """Find the root. Raises ImageUnsupportedError if there are several hierarchies."""
        self.files = files
        self._root = _root_of(files)
        self._sorted: list[str] = []

    def name(self, *steps: str) -> str:
        """Return the name of a file at a path. Raises ImageCorruptError if it is outside of the hierarchy."""
        path = PurePosixPath(*(step.strip("/") for step in steps))
        if ".." in path.parts:
            raise ImageCorruptError(f"the metadata name {str(path)!r}, which is outside of the Zarr")
        return str(self._root / path)

    def attributes(self, path: str) -> dict[str, Any] | None:
        """Return the OME attributes of a group, or of an array; None if there is neither.

        Raises ImageCorruptError if they are broken.
        """
        document = self._document(path, "zarr.json")
        if document is not None:
            attributes = document.get("attributes", {})
            ome = attributes.get("ome", attributes) if isinstance(attributes, dict) else {}
        else:
            ome = self._document(path, ".zattrs")
            if ome is None:
                of_version_2 = self._document(path, ".zgroup") or self._document(path, ".zarray")
                return None if of_version_2 is None else {}
        return ome if isinstance(ome, dict) else {}

    def array(self, path: str) -> ArrayDocument | None:
        """Return the metadata of an array; None if there is none. Raises ImageCorruptError if broken."""
        document = self._document(path, "zarr.json")
        if document is not None:
            return ArrayDocument(3, document) if document.get("node_type") == "array" else None
        document = self._document(path, ".zarray")
        return None if document is None else ArrayDocument(2, document)

    def names_below(self, path: str) -> Iterator[str]:
        """Yield the names of all files in the folder at a path, and in those below it."""
        self._sorted = self._sorted or sorted(self.files.names)
        begin = self.name(path) + "/"
        for at in range(bisect_left(self._sorted, begin), len(self._sorted)):
            if not self._sorted[at].startswith(begin):
                break
            yield self._sorted[at]

    def _document(self, path: str, name: str) -> dict[str, Any] | None:
        file = self.name(path, name)
        if file not in self.files.names:
            return None
        content = read_file(self.files, file, _MAX_DOCUMENT_BYTES)
        try:
            document = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ImageCorruptError(f"the metadata in {file!r} are no valid JSON: {error}") from error
        if not isinstance(document, dict):
            raise ImageCorruptError(f"the metadata in {file!r} are no JSON object")
        return document


def _root_of(files: NamedFiles) -> PurePosixPath:
    """Return the uppermost folder with metadata of a Zarr."""
    folders = {path.parent for path in map(PurePosixPath, files.names) if path.name in ZARR_METADATA}
    depth = min(len(folder.parts) for folder in folders)
    roots = sorted(str(folder) for folder in folders if len(folder.parts) == depth)
    if len(roots) > 1:
        more = f" and {len(roots) - _SHOWN} more" if len(roots) > _SHOWN else ""
        raise ImageUnsupportedError(
            f"there are {len(roots)} Zarr hierarchies: {', '.join(map(repr, roots[:_SHOWN]))}{more}; pack "
            "each of them by itself"
        )
    return PurePosixPath(roots[0])
