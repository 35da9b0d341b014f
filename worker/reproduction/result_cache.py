"""Results of training runs, and their cache, so that an interrupted command can resume."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models_store.whole_files import reporting_write_errors, write_whole
from worker.engine.scores.metrics import Scores


@dataclass(frozen=True)
class MethodResult:
    """Scores of each estimate of one table row on each scored image."""

    dataset: str
    repeat: int
    row: str
    scores: dict[str, list[Scores]]
    seconds: float = 0.0
    """Time for everything the method needs, including work shared with other methods."""
    steps: int = 0
    """Total training steps."""
    note: str = ""
    """Description of the noise model, or the reason why there are no scores."""

    def after(self, start: "MethodResult") -> "MethodResult":
        """Return the result with time and steps of the start network added."""
        return replace(self, seconds=round(self.seconds + start.seconds, 1), steps=self.steps + start.steps)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "MethodResult":
        scores = {name: [Scores(**each) for each in images] for name, images in content["scores"].items()}
        return cls(**{**content, "scores": scores})


@dataclass(frozen=True)
class ResultCache:
    """Folder with one file per result or network, named by a digest of everything that determines it."""

    folder: Path
    circumstances: Mapping[str, Any]
    """Everything that determines all results: preset, seed, data."""

    def outcome(self, name: str, compute: Callable[[], MethodResult]) -> MethodResult:
        """Return the cached result of this name, or compute and cache it."""
        path = self._path(name, "json")
        if path.exists():
            return MethodResult.from_json(json.loads(path.read_text(encoding="utf-8")))
        outcome = compute()
        self._write(path, json.dumps(asdict(outcome), indent=1).encode())
        return outcome

    def save_network(self, name: str, content: bytes) -> None:
        self._write(self._path(name, "safetensors"), content)

    def load_network(self, name: str) -> bytes:
        return self._path(name, "safetensors").read_bytes()

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with reporting_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)

    def _path(self, name: str, suffix: str) -> Path:
        identity = json.dumps({**self.circumstances, "name": name}, sort_keys=True)
        digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
        stem = "-".join("".join(letter if letter.isalnum() else " " for letter in name.lower()).split())
        return self.folder / f"{stem}-{digest}.{suffix}"
