"""What a power cut leaves on a disk."""

import os
from pathlib import Path

import pytest


class PowerCutError(BaseException):
    """Ends the process, as far as the files are concerned."""


class Disk:
    """What a power cut leaves in a folder: half of each file and none of the names that were not flushed.

    `cut_at`: number of the flush or renaming that does not take place any more.
    """

    def __init__(self, folder: Path, cut_at: int, patched: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._cut_at = cut_at
        self._steps = 0
        self._flushed = set(folder.iterdir())
        self._renamed: dict[Path, Path] = {}
        self._fsync, self._replace = os.fsync, Path.replace
        patched.setattr(os, "fsync", self.fsync)
        # A bound method would not get the path.
        patched.setattr(Path, "replace", lambda path, target: self.replace(path, target))  # noqa: PLW0108
        # Whoever is cut off from power cleans nothing up.
        patched.setattr(Path, "unlink", lambda *_, **__: None)

    def fsync(self, descriptor: int) -> None:
        self._step()
        self._fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path == self._folder:
            self._renamed.clear()
        self._flushed.add(path)

    def replace(self, path: Path, target: Path) -> Path:
        self._step()
        self._renamed[target] = path
        if path in self._flushed:
            self._flushed.add(target)
        return self._replace(path, target)

    def lose(self) -> None:
        for path in set(self._folder.iterdir()) - self._flushed:
            os.truncate(path, path.stat().st_size // 2)
        for target, path in self._renamed.items():
            self._replace(target, path)

    def _step(self) -> None:
        if self._steps == self._cut_at:
            raise PowerCutError
        self._steps += 1
