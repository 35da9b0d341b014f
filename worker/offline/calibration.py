"""Fitting a noise model to calibration files in this process: without a server."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models_store.contracts.noise_models import noise_model_parameters
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.job_requests.calibration_rules import require_scenes
from models_store.noise_model_files.published import SUFFIXES, write_published
from worker.engine.errors import EngineError
from worker.engine.stages.calibrate import Calibration, calibrate_noise_model
from worker.judging.calibration_scenes import findings, scenes_of
from worker.offline.files import opened, require_writable
from worker.planes.float_planes import FloatPlanes


@dataclass(frozen=True)
class CalibrationSummary:
    """What was found and made."""

    calibration: Calibration
    written: Path

    def lines(self) -> list[tuple[str, str]]:
        """What a person wants to read, as (title, text)."""
        selected = self.calibration.selected
        scenes = [
            (
                "scene",
                f"{name}: {each.frames} frames, {each.signal_min_adu:.4g} to {each.signal_max_adu:.4g} ADU",
            )
            for name, each in self.calibration.scenes.items()
        ]
        return [
            *scenes,
            ("noise model", selected.reason),
            ("check", selected.check.summary),
            *(("warning", text) for text in self.calibration.warnings),
            ("written", str(self.written)),
        ]

    def record(self) -> dict[str, Any]:
        """Give everything but the noise model's own numbers, as plain JSON values."""
        selected = self.calibration.selected
        return {
            "selected": selected.reason,
            "verdict": selected.check.verdict,
            "check": selected.check.summary,
            **findings(self.calibration),
            "written": str(self.written),
        }


def fit_noise_model_to_files(
    frames: Sequence[Path],
    target: Path,
    *,
    images: Sequence[Path],
    seed: int,
    on_frame: Callable[[int, int], None],
) -> CalibrationSummary:
    """Fit a mixture where the target is an `.npz`, a histogram where it is an `.npy`.

    `images` will be denoised with it. Raises InvalidRequestError for paths and files that are no calibration,
    or cannot be read, and JobFailedError where no noise model can come of them.
    """
    kind = next((kind for kind, suffix in SUFFIXES.items() if target.suffix == suffix), None)
    if kind is None:
        known = ", ".join(f"{suffix} for a {kind}" for kind, suffix in SUFFIXES.items())
        raise InvalidRequestError(f"{target}: a noise model is written as {known}")
    require_writable(target, [*frames, *images])
    with ExitStack() as stack:
        named = {str(path): stack.enter_context(opened(path)) for path in frames}
        require_scenes({name: reader.header for name, reader in named.items()})
        readers = [stack.enter_context(opened(path)) for path in images]
        try:
            calibration = calibrate_noise_model(
                scenes_of(list(named.items())),
                kind=kind.value,
                images=FloatPlanes(readers) if readers else None,
                seed=seed,
                on_frame=on_frame,
            )
        except EngineError as error:
            raise JobFailedError(error.detail) from error
    parameters = noise_model_parameters.validate_python(calibration.selected.fitted.model.parameters())
    target.write_bytes(write_published(parameters).content)
    return CalibrationSummary(calibration, target)
