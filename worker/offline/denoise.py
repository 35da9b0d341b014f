"""Denoising a file in this process: the engine without a server."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.vocabulary import NoiseModelKind
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.image_files.content import check_content
from models_store.image_files.header import ImageHeader
from models_store.image_files.tiff.reader import PlaneReader, open_planes
from models_store.image_files.tiff.writer import OutputType, write_planes
from models_store.noise_model_files.published import SUFFIXES, write_published
from worker.engine.errors import EngineError
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.measuring.correlation import NeighbourCorrelation, neighbour_correlation
from worker.engine.noise.models.kinds import kind_of
from worker.engine.prediction.choice import Choice
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.pipeline import Prepared, Stage, denoise, denoise_plane
from worker.engine.training.loop import TrainingStep
from worker.engine.training.presets import TrainingPreset
from worker.judging.noise_warnings import correlation_warnings
from worker.offline.files import read_noise_model, require_writable
from worker.offline.report import DenoisedPlane, NoiseEvidence, write_report
from worker.planes.float_planes import FloatPlanes
from worker.planes.prefetch import prefetch

_PREPARING = 0.2  # share of a stage before it trains or denoises: fitting noise, choosing an estimate

ShowStage = Callable[[Stage, float, str], None]
"""Takes a stage, the fraction of it that is done, and a line of what is being done."""


@dataclass(frozen=True)
class DenoiseOptions:
    """How to denoise, and what to write besides the result."""

    preset: TrainingPreset
    device: torch.device
    seed: int = 0
    dtype: OutputType = "float32"
    noise_model: Path | None = None
    """A published `.npz` or `.npy` to use instead of bootstrapping one."""
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    """What to bootstrap."""
    save_noise_model: Path | None = None
    report_folder: Path | None = None


@dataclass(frozen=True)
class DenoiseSummary:
    """What was done: which estimate was delivered and why, with which noise model, in how many seconds."""

    image: ImageHeader
    choice: Choice
    noise_model: dict[str, Any]
    """Its parameters, but for the probabilities of a histogram: they go into a file of their own."""
    noise_model_origin: str
    seconds: dict[Stage, float]
    noise_correlation: NeighbourCorrelation
    warnings: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """What a person wants to read, as (title, text)."""
        signals = " to ".join(f"{self.noise_model[f'signal_{end}_adu']:.4g}" for end in ("min", "max"))
        stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in self.seconds.items())
        return [
            ("image", f"{self.image.axes} {'x'.join(map(str, self.image.shape))} {self.image.dtype}"),
            ("estimate", f"{self.choice.estimate}: {self.choice.reason}"),
            ("noise model", f"{self.noise_model_origin}, {self._distributions}, signals {signals} ADU"),
            ("time", f"{stages}, together {sum(self.seconds.values()):.0f} s"),
            *(("written", str(path)) for path in self.written),
        ]

    @property
    def _distributions(self) -> str:
        if self.noise_model["kind"] == "histogram":
            return f"histogram of {self.noise_model['bins']} bins"
        return f"{len(self.noise_model['weights']) // 3} Gaussians"

    def record(self) -> dict[str, Any]:
        """Everything but the paths, as plain JSON values."""
        return {
            "image": self.image.model_dump(mode="json"),
            "estimate": self.choice.estimate,
            "reason": self.choice.reason,
            "estimated_mse_adu2": self.choice.scores,
            "noise_model": self.noise_model,
            "noise_model_origin": self.noise_model_origin,
            "noise_correlation": asdict(self.noise_correlation),
            "warnings": list(self.warnings),
            "seconds": {stage: round(seconds, 2) for stage, seconds in self.seconds.items()},
        }


def denoise_file(
    source: Path,
    target: Path,
    options: DenoiseOptions,
    on_progress: ShowStage,
    on_warning: Callable[[str], None] = lambda _text: None,
) -> DenoiseSummary:
    """Denoise an image or stack; memory does not grow with the number of planes.

    Warnings are given before anything is trained; the summary has them too.

    Raises ImageError for a file that cannot be denoised, InvalidRequestError for paths that cannot be read or
    written, NoiseModelInvalidError, and JobFailedError where the pixels defeat the engine. `on_progress` may
    raise to stop.
    """
    _require_paths(source, target, options)
    progress = _StageProgress(on_progress)
    try:
        known = read_noise_model(options.noise_model) if options.noise_model else None
        _require_suffix(options, kind_of(known) if known else options.noise_model_kind)
        with open_planes(source) as planes:
            check_content(planes)
            correlation = neighbour_correlation(FloatPlanes([planes]))
            for warning in correlation_warnings(correlation, options.preset):
                on_warning(warning)
            prepared = denoise(
                FloatPlanes([planes]),
                preset=options.preset,
                noise_model=known or options.noise_model_kind.value,
                seed=options.seed,
                device=options.device,
                on_step=progress.on_step,
                on_plane=progress.on_plane,
            )
            with (
                prefetch(planes) as observed,
                prefetch(
                    _denoised_planes(observed, len(planes), prepared, options.device, progress)
                ) as results,
            ):
                write_planes(target, results, like=planes, dtype=options.dtype)
            progress.end()
            summary = _summary(planes, prepared, options, progress.seconds, correlation)
            beside = _write_beside(planes, prepared, target, options, summary)
            return replace(summary, written=(target, *beside))
    except EngineError as error:
        raise JobFailedError(error.detail) from error


class _StageProgress:
    """Tells how far each stage is, and measures how long it takes."""

    def __init__(self, show: ShowStage, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds: dict[Stage, float] = {}
        self._show = show
        self._clock = clock
        self._stage: Stage = "n2v"
        self._fraction = 0.0
        self._since_s = clock()

    def on_step(self, stage: Stage, step: TrainingStep) -> None:
        begun = _PREPARING if stage == "distil" else 0.0
        fraction = begun + (1 - begun) * step.step / step.steps
        self.at(stage, fraction, f"step {step.step} of {step.steps}, loss {step.loss:.4f}")

    def on_plane(self, stage: Stage, done: int, planes: int) -> None:
        share = _PREPARING if stage in {"distil", "predict"} else 1.0
        self.at(stage, share * done / planes, f"plane {done} of {planes}")

    def at(self, stage: Stage, fraction: float, status: str) -> None:
        """Show a stage; it never goes back, though its planes may be gone through twice."""
        if stage != self._stage:
            self._show(self._stage, 1.0, "done")
            self.end()
            self._stage, self._fraction = stage, 0.0
        self._fraction = max(self._fraction, fraction)
        self._show(stage, self._fraction, status)

    def end(self) -> None:
        """Book the time since the last stage ended."""
        now_s = self._clock()
        self.seconds[self._stage] = now_s - self._since_s
        self._since_s = now_s


def _denoised_planes(
    planes: Iterator[np.ndarray],
    count: int,
    prepared: Prepared,
    device: torch.device,
    progress: _StageProgress,
) -> Iterator[np.ndarray]:
    for done, plane_yx in enumerate(planes, start=1):
        yield denoise_plane(plane_yx, prepared, device=device).image_yx
        fraction = _PREPARING * (1 - done / count) + done / count
        progress.at("predict", fraction, f"plane {done} of {count}")


def _summary(
    planes: PlaneReader,
    prepared: Prepared,
    options: DenoiseOptions,
    seconds: dict[Stage, float],
    correlation: NeighbourCorrelation,
) -> DenoiseSummary:
    return DenoiseSummary(
        image=planes.header,
        choice=prepared.choice,
        noise_model={
            name: value
            for name, value in prepared.noise_model.parameters().items()
            if name != "probabilities"
        },
        noise_model_origin="bootstrap" if options.noise_model is None else "file",
        seconds=seconds,
        noise_correlation=correlation,
        warnings=tuple(correlation_warnings(correlation, options.preset)),
    )


def _write_beside(
    planes: PlaneReader, prepared: Prepared, target: Path, options: DenoiseOptions, summary: DenoiseSummary
) -> Iterator[Path]:
    """Write what was asked for besides the result."""
    model = prepared.noise_model
    if options.save_noise_model is not None:
        parameters = noise_model_parameters.validate_python(model.parameters())
        options.save_noise_model.write_bytes(write_published(parameters).content)
        yield options.save_noise_model
    if options.report_folder is not None:
        middle = len(planes) // 2
        observation_yx = planes[middle]
        with open_planes(target) as results:
            shown = DenoisedPlane(observation_yx, results[middle])
        pairs = PairCounts()
        # The prior mean has not seen the pixel it is compared with; a better estimate would hide noise.
        prior_mean_yx = predict_plane(prepared.pn2v, observation_yx, device=options.device).prior_mean_yx
        pairs.add(observation_yx, prior_mean_yx)
        evidence = NoiseEvidence(model, pairs.photon_transfer_curve())
        yield from write_report(options.report_folder, shown, evidence, summary.record())


def _require_suffix(options: DenoiseOptions, kind: str) -> None:
    """Find out before hours of work that the noise model would be in a file that misleads."""
    path, suffix = options.save_noise_model, SUFFIXES[NoiseModelKind(kind)]
    if path is not None and path.suffix != suffix:
        raise InvalidRequestError(f"{path}: a noise model of kind {kind} is written as {suffix}")


def _require_paths(source: Path, target: Path, options: DenoiseOptions) -> None:
    """Find out before hours of work that a file is missing, or a result could not be written."""
    if not source.is_file():
        raise InvalidRequestError(f"{source} is no file")
    for path in filter(None, (target, options.save_noise_model)):
        require_writable(path, [source, *filter(None, [options.noise_model])])
    if options.report_folder is not None and options.report_folder.is_file():
        raise InvalidRequestError(f"{options.report_folder} cannot be the folder of the report: it is a file")
