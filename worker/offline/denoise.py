"""Denoise a file in this process, without a server."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models_store.clock_and_ids import new_id
from models_store.contracts.job_specs import DenoiseSpec, PredictSpec
from models_store.contracts.plans import Plan
from models_store.contracts.progress import ShowStage
from models_store.contracts.spec_parts import StructuredMask
from models_store.contracts.vocabulary import (
    DEFAULT_PRESET,
    NoiseModelKind,
    Output,
    OutputDtype,
    Preset,
    Reuse,
)
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource
from models_store.job_requests.plan_denoise import KnownModels, plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.noise_model_files.published import SUFFIXES, write_published
from models_store.survey.correlation import NeighbourCorrelation
from models_store.whole_files import reporting_write_errors, require_writable_folder, write_whole
from worker.attempt.registry import KnownNoiseModel
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.prediction.inference import predict_plane
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.jobs.inputs import load_network, load_noise_model
from worker.judging.removed_noise import REMOVED_NOISE
from worker.offline.files import read_noise_model_file, require_room, require_writable
from worker.offline.report import DenoisedPlane, NoiseEvidence, write_report
from worker.offline.run import OfflineRun, offline_run
from worker.planes.observed_plane import ObservedPlane


@dataclass(frozen=True)
class DenoiseOptions:
    """Options of denoising, and optional files to write besides the result."""

    device: torch.device
    preset: Preset = DEFAULT_PRESET
    structured_mask: StructuredMask | None = None
    seed: int = 0
    dtype: OutputDtype = OutputDtype.FLOAT32
    keep_hot_pixels: bool = False
    noise_model: Path | None = None
    """Noise model file (.npz/.npy) to use instead of bootstrapping one."""
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    """Kind of noise model to bootstrap."""
    save_noise_model: Path | None = None
    report_folder: Path | None = None
    presets: Mapping[str, TrainingPreset] = field(default_factory=lambda: PRESETS)


@dataclass(frozen=True)
class DenoiseSummary:
    """Summary of a denoising: the chosen estimate and the reason, the noise model, and the time per stage."""

    image: ImageHeader
    estimate: str
    reason: str
    estimated_mse_adu2: Mapping[str, float]
    noise_model: dict[str, Any]
    """Its parameters; a histogram's probabilities are omitted, because they are saved in a separate file."""
    noise_model_origin: str
    seconds: Mapping[str, float]
    noise_correlation: NeighbourCorrelation
    removed_noise: Mapping[str, Any]
    """Figures of what was removed, compared with the noise model, and the worst planes."""
    warnings: tuple[str, ...] = ()
    written: tuple[Path, ...] = ()

    def lines(self) -> list[tuple[str, str]]:
        """Return the human-readable summary as (title, text) pairs."""
        signals = " to ".join(f"{self.noise_model[f'signal_{end}_adu']:.4g}" for end in ("min", "max"))
        stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in self.seconds.items())
        return [
            ("image", f"{self.image.axes} {'x'.join(map(str, self.image.shape))} {self.image.dtype}"),
            ("estimate", f"{self.estimate}: {self.reason}"),
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
        """Return everything but the paths as JSON values."""
        return {
            "image": self.image.model_dump(mode="json"),
            "estimate": self.estimate,
            "reason": self.reason,
            "estimated_mse_adu2": dict(self.estimated_mse_adu2),
            "noise_model": self.noise_model,
            "noise_model_origin": self.noise_model_origin,
            "noise_correlation": asdict(self.noise_correlation),
            "removed_noise": dict(self.removed_noise),
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
    """Denoise an image or stack by the plan of a `denoise` job, in constant memory.

    Raises ImageError for a file that cannot be denoised, InvalidRequestError for paths that cannot be read or
    written, NoiseModelInvalidError, and JobFailedError for errors of the engine. `on_progress` may raise to
    stop.
    """
    _require_paths(source, target, options)
    known = read_noise_model_file(options.noise_model) if options.noise_model else None
    _require_suffix(options, known.kind if known else options.noise_model_kind)
    warnings: list[str] = []

    def warn(text: str) -> None:
        warnings.append(text)
        on_warning(text)

    with offline_run(
        target.parent, device=options.device, show=on_progress, warn=warn, presets=options.presets
    ) as run:
        image_id, header, survey = run.add_image(source)
        require_room(target, header, options.dtype)
        spec = DenoiseSpec(
            image_ids=[image_id],
            preset=options.preset,
            structured_mask=options.structured_mask,
            reuse=Reuse.NONE,
            noise_model=run.add_noise_model(known) if known else None,
            noise_model_kind=None if known else options.noise_model_kind,
            outputs=(Output.DENOISED,),
            output_dtype=options.dtype,
            keep_hot_pixels=options.keep_hot_pixels,
            seed=options.seed,
        )
        plan = plan_denoise(
            spec,
            KnownModels(profile=None),
            _undivided(image_id, header),
            lambda: new_id("job"),
            correlation=survey.noise_correlation,
        )
        outcome = run.carry_out_plan(plan)
        (artifact,) = outcome.artifacts
        run.move_blob(artifact.blob, target)
        noise_model = _noise_model_of(run, plan)
        summary = DenoiseSummary(
            image=header,
            estimate=outcome.result["estimate"],
            reason=outcome.result["reason"],
            estimated_mse_adu2=outcome.result["estimated_mse_adu2"],
            noise_model=noise_model.parameters.model_dump(mode="json", exclude={"probabilities"}),
            noise_model_origin="file" if known else "bootstrap",
            seconds=dict(run.seconds),
            noise_correlation=survey.noise_correlation,
            removed_noise=outcome.result[REMOVED_NOISE],
            warnings=tuple(warnings),
        )
        extras = _write_extras(run, plan, noise_model, source, target, options, summary)
        return replace(summary, written=(target, *extras))


def _undivided(image_id: str, header: ImageHeader) -> PredictionExtent:
    """Return the extent of a prediction in a single part."""
    pixels = header.height_px * header.width_px
    return PredictionExtent([ImageExtent(image_id, header.planes, pixels)], header.planes * pixels)


def _prediction(plan: Plan) -> PredictSpec:
    spec = plan.stages[-1].spec
    if not isinstance(spec, PredictSpec):
        raise JobFailedError(f"the plan ends with {spec.kind}, not with a prediction")
    return spec


def _noise_model_of(run: OfflineRun, plan: Plan) -> KnownNoiseModel:
    """Return the noise model used by the prediction."""
    reference = _prediction(plan).noise_model
    if reference is None:
        raise JobFailedError("the plan names no noise model")
    return load_noise_model(run.context("", None, lambda *_: None), reference)[0]


def _write_extras(  # the results of a run, and the options
    run: OfflineRun,
    plan: Plan,
    noise_model: KnownNoiseModel,
    source: Path,
    target: Path,
    options: DenoiseOptions,
    summary: DenoiseSummary,
) -> Iterator[Path]:
    """Write the requested noise model and report, and yield their paths."""
    if options.save_noise_model is not None:
        with reporting_write_errors(options.save_noise_model):
            write_whole(options.save_noise_model, write_published(noise_model.parameters).content)
        yield options.save_noise_model
    if options.report_folder is not None:
        context = run.context("", None, lambda *_: None)
        pn2v = load_network(context, _prediction(plan).network)[1]
        observed, results = run.reader.open(source), run.reader.open(target)
        shown_index, observation_yx = _plane_to_show(observed)
        pairs = PairCounts()
        # The prior mean is independent of the pixel's own noise; a better estimate would hide some of it.
        prior_mean_yx = predict_plane(pn2v, observation_yx, device=options.device).prior_mean_yx
        pairs.add(observation_yx, prior_mean_yx)
        model = load_noise_model(context, noise_model.noise_model_id)[1]
        evidence = NoiseEvidence(model, pairs.photon_transfer_curve())
        shown = DenoisedPlane(observation_yx, results[shown_index])
        yield from write_report(options.report_folder, shown, evidence, summary.record())


def _plane_to_show(planes: PlaneSource) -> tuple[int, NDArray[np.float32]]:
    """Return the middle plane's index and pixels, or those of the next plane that is not empty."""
    middle = len(planes) // 2
    for index in (*range(middle, len(planes)), *range(middle)):
        observed = ObservedPlane.of(planes[index])
        if not observed.defects.empty:
            return index, observed.input_yx
    raise JobFailedError("every plane is empty")


def _require_suffix(options: DenoiseOptions, kind: str) -> None:
    """Fail early if the suffix of the noise model file does not match its kind."""
    path, suffix = options.save_noise_model, SUFFIXES[NoiseModelKind(kind)]
    if path is not None and path.suffix != suffix:
        raise InvalidRequestError(f"{path}: a noise model of kind {kind} is written as {suffix}")


def _require_paths(source: Path, target: Path, options: DenoiseOptions) -> None:
    """Fail early if an input file is missing or an output file could not be written."""
    if not source.is_file():
        raise InvalidRequestError(f"{source} is not a file")
    for path in filter(None, (target, options.save_noise_model)):
        require_writable(path, [source, *filter(None, [options.noise_model])])
    if target == options.save_noise_model:
        raise InvalidRequestError(f"{target} cannot be both the result and the noise model; name two files")
    if options.report_folder is not None:
        require_writable_folder(options.report_folder)
