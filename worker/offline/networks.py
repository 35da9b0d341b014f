"""Training a network on files, and denoising files with it, in this process: without a server."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models_store.contracts.job_specs import NEEDED_BY
from models_store.contracts.vocabulary import Method, Output
from models_store.errors import InvalidRequestError, JobFailedError
from models_store.image_files.content import check_content
from models_store.image_files.tiff.reader import PlaneReader
from models_store.image_files.tiff.writer import OutputType, write_planes
from models_store.job_requests.pair_rules import require_same_planes
from worker.engine.errors import EngineError
from worker.engine.networks.network import Network
from worker.engine.noise.measuring.correlation import neighbour_correlation
from worker.engine.prediction.choice import Choice, EstimateName
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.distillation import EstimatedPlanes, first_weights
from worker.engine.stages.pipeline import Prepared, denoise_plane, prepare_prediction
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import TrainingPreset
from worker.judging.noise_warnings import correlation_warnings, require_drawable
from worker.offline.files import opened, read_content, read_noise_model, require_writable
from worker.planes.float_planes import FloatPlanes, GroundTruthPlanes
from worker.planes.prefetch import prefetch

ESTIMATES: dict[Output, EstimateName] = {Output.PRIOR_MEAN: "prior_mean", Output.MMSE: "mmse"}

_TITLES = {method: method.upper() for method in Method} | {Method.DISTILLED: "a distilled network"}


@dataclass(frozen=True)
class TrainingFiles:
    """What a network is trained on: noisy images, and what its method needs besides."""

    noisy: Sequence[Path]
    ground_truth: Sequence[Path] = ()
    """Of CARE: one for each noisy image."""
    noise_model: Path | None = None
    """Of PN2V and of distilled networks, as published."""
    start: Path | None = None
    """A network whose weights training starts from."""
    teacher: Path | None = None
    """Of a distilled network: the PN2V network whose estimates it learns."""


@dataclass(frozen=True)
class Prediction:
    """How to denoise with a network; `estimate` is for PN2V: DENOISED is its better one."""

    network: Path
    device: torch.device
    noise_model: Path | None = None
    estimate: Output = Output.DENOISED
    dtype: OutputType = "float32"
    seed: int = 0


def train_on_files(  # noqa: PLR0913  # the options of training
    files: TrainingFiles,
    target: Path,
    *,
    method: Method,
    preset: TrainingPreset,
    seed: int,
    device: torch.device,
    on_step: Callable[[TrainingStep], None],
    on_warning: Callable[[str], None],
) -> None:
    """Train a network and write it as safetensors; warnings are given before.

    Raises InvalidRequestError for files that do not go together, or cannot be read, and JobFailedError where
    the pixels defeat the engine.
    """
    _require_what_the_method_needs(files, method)
    if not method.is_blind_spot and (preset.blind_y_px or preset.blind_x_px):
        raise InvalidRequestError(f"{_TITLES[method]} learns from all pixels and uses no --structured-mask")
    others = filter(None, (files.noise_model, files.start, files.teacher))
    require_writable(target, [*files.noisy, *files.ground_truth, *others])
    start = _read_network(files.start) if files.start else None
    teacher = _read_teacher(files.teacher, preset) if files.teacher else None
    noise_model = read_noise_model(files.noise_model) if files.noise_model else None
    with ExitStack() as stack:
        noisy, clean = (
            [stack.enter_context(opened(path)) for path in paths]
            for paths in (files.noisy, files.ground_truth)
        )
        if clean:
            _require_pairs(files, noisy, clean)
        planes = FloatPlanes(noisy)
        try:
            if not clean:
                correlation = neighbour_correlation(planes)
                for warning in correlation_warnings(correlation, preset):
                    on_warning(warning)
                if teacher is not None:
                    require_drawable(correlation)
            taught = (
                EstimatedPlanes(planes, teacher, noise_model, device) if teacher and noise_model else planes
            )
            network = train(
                taught,
                method=method.value,
                preset=preset,
                noise_model=noise_model,
                ground_truth=GroundTruthPlanes(clean, noisy) if clean else None,
                start=first_weights(teacher, preset) if teacher else start,
                seed=seed,
                device=device,
                on_step=on_step,
            )
        except EngineError as error:
            raise JobFailedError(error.detail) from error
    target.write_bytes(network.to_bytes())


def predict_file(
    source: Path, target: Path, prediction: Prediction, on_plane: Callable[[int, int], None]
) -> str:
    """Denoise an image or stack with a trained network, and say which estimate was delivered and why.

    Raises as `train_on_files`.
    """
    require_writable(target, [source, prediction.network])
    network = _read_network(prediction.network)
    with opened(source) as planes, ExitStack() as stack:
        check_content(planes)
        try:
            if network.method == "pn2v":
                prepared = _prepare(planes, network, prediction)
                said = f"{prepared.choice.estimate}: {prepared.choice.reason}"
                observed = stack.enter_context(prefetch(planes))
                results = (
                    denoise_plane(plane, prepared, device=prediction.device).image_yx for plane in observed
                )
            else:
                _require_nothing_else(network, prediction)
                said = f"{network.method}: the network's method"
                observed = stack.enter_context(prefetch(planes))
                results = (
                    predict_plane(network, plane, device=prediction.device).prior_mean_yx
                    for plane in observed
                )
            made = stack.enter_context(prefetch(_reported(results, len(planes), on_plane)))
            write_planes(target, made, like=planes, dtype=prediction.dtype)
        except EngineError as error:
            raise JobFailedError(error.detail) from error
    return said


def _prepare(planes: PlaneReader, network: Network, prediction: Prediction) -> Prepared:
    if prediction.noise_model is None:
        raise InvalidRequestError(
            f"{prediction.network} is of method pn2v; name the noise model that it was trained with"
        )
    noise_model = read_noise_model(prediction.noise_model)
    if prediction.estimate in ESTIMATES:
        choice = Choice(ESTIMATES[prediction.estimate], {}, "asked for")
        return Prepared(n2v=None, pn2v=network, noise_model=noise_model, refitted=None, choice=choice)
    return prepare_prediction(
        FloatPlanes([planes]),
        n2v=None,
        pn2v=network,
        noise_model=noise_model,
        refit=False,
        seed=prediction.seed,
        device=prediction.device,
        on_plane=lambda _done, _planes: None,
    )


def _require_nothing_else(network: Network, prediction: Prediction) -> None:
    if prediction.noise_model is not None or prediction.estimate is not Output.DENOISED:
        raise InvalidRequestError(
            f"{prediction.network} is of method {network.method}, which has one estimate and uses no noise "
            f"model; leave both out"
        )


def _reported(
    planes: Iterator[np.ndarray], count: int, on_plane: Callable[[int, int], None]
) -> Iterator[np.ndarray]:
    for done, plane_yx in enumerate(planes, start=1):
        yield plane_yx
        on_plane(done, count)


def _read_network(path: Path) -> Network:
    try:
        return Network.from_bytes(read_content(path, "network"))
    except EngineError as error:
        raise InvalidRequestError(f"{path} is no network: {error.detail}") from error


def _read_teacher(path: Path, preset: TrainingPreset) -> Network:
    teacher = _read_network(path)
    if teacher.method != "pn2v":
        raise InvalidRequestError(f"--teacher: {path} is of method {teacher.method}; name one of method pn2v")
    if not preset.distillation_steps:
        raise InvalidRequestError(f"--preset {preset.name} distils no network; take fast or balanced")
    return teacher


def _require_what_the_method_needs(files: TrainingFiles, method: Method) -> None:
    for field, given, option in [
        ("ground_truth_ids", bool(files.ground_truth), "--ground-truth"),
        ("noise_model", files.noise_model is not None, "--noise-model"),
        ("teacher", files.teacher is not None, "--teacher"),
    ]:
        needed = method in NEEDED_BY[field]
        if needed is not given:
            raise InvalidRequestError(f"{_TITLES[method]} {'needs' if needed else 'uses no'} {option}")
    if method is Method.DISTILLED and files.start is not None:
        raise InvalidRequestError(f"{_TITLES[method]} starts from nothing and uses no --start")


def _require_pairs(files: TrainingFiles, noisy: Sequence[PlaneReader], clean: Sequence[PlaneReader]) -> None:
    if len(noisy) != len(clean):
        raise InvalidRequestError(f"{len(clean)} files of ground truth for {len(noisy)}; name one for each")
    for path, image, truth_path, truth in zip(files.noisy, noisy, files.ground_truth, clean, strict=True):
        require_same_planes(str(path), image.header, str(truth_path), truth.header)
