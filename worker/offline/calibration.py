"""Fit a noise model to calibration files in this process, without a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models_store.contracts.noise_model_specs import FitNoiseModelSpec
from models_store.contracts.outcomes import MadeNoiseModel
from models_store.contracts.progress import ShowStage
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.job_requests.calibration_rules import require_scenes
from models_store.noise_model_files.published import SUFFIXES, write_published
from models_store.whole_files import reporting_write_errors, write_whole
from worker.offline.files import checked, naming_file, require_writable
from worker.offline.run import offline_run
from worker.offline.series import series_in


@dataclass(frozen=True)
class CalibrationSummary:
    """The fitted noise model with its findings, and the file written."""

    noise_model: MadeNoiseModel
    written: Path

    def lines(self) -> list[tuple[str, str]]:
        """Return the human-readable summary as (title, text) pairs."""
        quality = self.noise_model.fit_quality
        scenes = [
            ("scene", f"{each['name']}: {each['frames']} frames, {_signals(each)}")
            for each in quality["scenes"]
        ]
        return [
            *scenes,
            ("noise model", quality["selected"]),
            ("check", quality["check"]),
            *(("warning", text) for text in quality["warnings"]),
            ("written", str(self.written)),
        ]

    def record(self) -> dict[str, Any]:
        """Return everything but the noise model's parameters as JSON values."""
        names = ("selected", "verdict", "check", "signal_range_adu", "scenes", "coverage", "warnings")
        return {**{name: self.noise_model.fit_quality[name] for name in names}, "written": str(self.written)}


def _signals(scene: Mapping[str, Any]) -> str:
    return f"{scene['signal_min_adu']:.4g} to {scene['signal_max_adu']:.4g} ADU"


def fit_noise_model_to_files(
    frames: Sequence[Path],
    target: Path,
    *,
    images: Sequence[Path],
    seed: int,
    series: int | None = None,
    on_progress: ShowStage,
) -> CalibrationSummary:
    """Fit a noise model like a `fit_noise_model` job: a mixture is written as `.npz`, a histogram as `.npy`.

    `images`: the images to denoise with it; `series`: the number of the image in files that hold several.
    Raises InvalidRequestError for files that are unreadable or not calibration frames, and JobFailedError if
    the fit fails.
    """
    kind = next((kind for kind, suffix in SUFFIXES.items() if target.suffix == suffix), None)
    if kind is None:
        suffixes = ", ".join(f"{suffix} for a {kind}" for kind, suffix in SUFFIXES.items())
        raise InvalidRequestError(f"{target}: a noise model is written as {suffixes}")
    require_writable(target, [*frames, *images])
    with offline_run(target.parent, device=torch.device("cpu"), show=on_progress) as run:
        headers, ids = {}, {}
        chosen = series_in(run.reader, [*frames, *images], series)
        for path in (*frames, *images):
            with naming_file(path):
                ids[path], header = run.add_file(path, chosen[path])
            if path in frames:
                headers[str(path)] = header
        require_scenes(headers)
        spec = checked(
            FitNoiseModelSpec,
            image_ids=[ids[path] for path in frames],
            data_image_ids=[ids[path] for path in images] or None,
            noise_model_kind=kind,
            seed=seed,
        )
        made = run.carry_out(spec, "noise_model").noise_model
    if made is None:
        raise JobFailedError("no noise model was made")
    with reporting_write_errors(target):
        write_whole(target, write_published(made.parameters).content)
    return CalibrationSummary(made, target)
