"""What one training run gave, and where outcomes are kept so that a stopped command goes on."""

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
    """Scores of each estimate on each scored image, by the name of the row they belong in."""

    dataset: str
    repeat: int
    row: str
    scores: dict[str, list[Scores]]
    seconds: float = 0.0
    """Of all that the method needs, also of what several methods share."""
    steps: int = 0
    """Training steps in all."""
    note: str = ""
    """How the noise model came about, or why there is nothing."""

    def after(self, start: "MethodResult") -> "MethodResult":
        """Count in what the training began with."""
        return replace(self, seconds=round(self.seconds + start.seconds, 1), steps=self.steps + start.steps)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "MethodResult":
        scores = {name: [Scores(**each) for each in images] for name, images in content["scores"].items()}
        return cls(**{**content, "scores": scores})


@dataclass(frozen=True)
class ResultCache:
    """A folder with one file per outcome or network, named by all that it was computed from."""

    folder: Path
    circumstances: Mapping[str, Any]
    """Whatever decides all outcomes: preset, seed, data."""

    def outcome(self, name: str, compute: Callable[[], MethodResult]) -> MethodResult:
        """Read an outcome that was computed before under the same circumstances, or compute and keep it."""
        path = self._path(name, "json")
        if path.exists():
            return MethodResult.from_json(json.loads(path.read_text(encoding="utf-8")))
        outcome = compute()
        self._write(path, json.dumps(asdict(outcome), indent=1).encode())
        return outcome

    def keep(self, name: str, content: bytes) -> None:
        self._write(self._path(name, "safetensors"), content)

    def kept(self, name: str) -> bytes:
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
