"""Where uploads were begun that are not complete: another process goes on with them."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

KEPT_S = 7 * 86400.0
"""Servers forget an upload sooner, unless they are set otherwise."""


@dataclass(frozen=True)
class BegunUpload:
    """Note of one upload in a folder, by what tells the upload from others.

    A folder that cannot be written costs sending from the beginning, and is no error.
    """

    folder: Path
    name: str

    @classmethod
    def of(cls, folder: Path, *told: str | int | Mapping[str, str | int]) -> "BegunUpload":
        identity = json.dumps(told, sort_keys=True).encode()
        return cls(folder, f"{hashlib.sha256(identity).hexdigest()[:32]}.upload")

    def read(self) -> str | None:
        """Return the path of the upload at the server."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return self._path.read_text("utf-8") or None
        return None

    def write(self, path: str, now: datetime) -> None:
        """Note the path of the upload at the server; notes of uploads long ago are removed."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self._path.with_suffix(".part")
            unfinished.write_text(path, "utf-8")
            unfinished.replace(self._path)
            for other in self.folder.glob("*.upload"):
                if other.stat().st_mtime < now.timestamp() - KEPT_S:
                    other.unlink(missing_ok=True)

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return self.folder / self.name
