"""Speed of training, prediction and denoising of a stack, as a fraction of the device's limits."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
import torch
from rich.table import Table

from benchmarks import work
from benchmarks.work import MEGAPIXEL, NOISE_MODEL, ExponentialCounter
from models_store.contracts.vocabulary import Preset, Prior
from worker.engine.devices.execution import execution_on
from worker.engine.networks.network import Network, TrainingMethod
from worker.engine.prediction.inference import predict_plane
from worker.engine.prediction.posterior import moments_of_block, samples_per_pixel
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.training.loop import TrainingStep, train
from worker.engine.training.presets import TrainingPreset
from worker.offline.denoise import DenoiseOptions, denoise_file

REPEATS = 5
WARM_UP_STEPS = 5
PHOTONS = 200


@dataclass(frozen=True)
class Extent:
    """Amount of work measured: a stack, training steps, and the sizes used to measure the limits."""

    planes: int = 100
    side_px: int = 1024
    steps: int = 50
    matrix_side: int = 8192
    exponentials: int = 1 << 26


@dataclass(frozen=True)
class Limits:
    """Measured peak operations per second of the device."""

    bfloat16_flop: float
    exponentials: float


@dataclass(frozen=True)
class Measured:
    """Time and rate of one operation, and the fraction of the limit, if there is one."""

    what: str
    seconds: float
    rate: float | None = None
    unit: str = ""
    fraction: float | None = None


class _StopTrainingError(Exception):
    """Raised to end a training run once it has been measured."""


def measure_limits(device: torch.device, extent: Extent) -> Limits:
    """Measure the limits; each is the best of several repeats."""
    side = extent.matrix_side
    left, right = (torch.rand((side, side), device=device).bfloat16() for _ in range(2))
    values = torch.rand(extent.exponentials, device=device)
    results = torch.empty_like(values)
    return Limits(
        bfloat16_flop=2 * side**3 / _least_seconds(lambda: left @ right, device),
        exponentials=extent.exponentials / _least_seconds(lambda: torch.exp(values, out=results), device),
    )


def measure(
    preset: TrainingPreset, device: torch.device, extent: Extent, limits: Limits
) -> Iterator[Measured]:
    """Measure each part with its fraction of a limit, then denoising from one TIFF file to another."""
    methods: tuple[TrainingMethod, ...] = ("n2v", "pn2v")
    for method in methods:
        seconds = _step_seconds(preset, method, device, extent)
        fraction = work.step_flop(preset, method) / seconds / limits.bfloat16_flop
        rate = preset.patches_per_step / seconds
        yield Measured(f"training step, {method}", seconds, rate, "patches/s", fraction)

    network = work.network_of(preset)
    plane_yx = work.plane(extent.side_px)
    megapixels = plane_yx.size / MEGAPIXEL
    seconds = _least_seconds(
        lambda: predict_plane(network, plane_yx, noise_model=NOISE_MODEL, device=device), device
    )
    network.model.cpu()
    fraction = work.prediction_flop(network) * megapixels / seconds / limits.bfloat16_flop
    what = f"prediction of a plane, {preset.symmetries} symmetries"
    yield Measured(what, seconds, megapixels / seconds, "megapixels/s", fraction)
    yield _posterior(network, device, limits, pixels=network.symmetries * plane_yx.size)

    with TemporaryDirectory() as folder:
        yield from _whole_stack(Path(folder), preset, device, extent)


def table(measured: list[Measured], device: torch.device, extent: Extent, limits: Limits) -> Table:
    """Render times, rates and fractions."""
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    )
    rendered = Table(
        "what",
        "seconds",
        "rate",
        "of the limit",
        title=f"Speed on {device} ({name}), a stack of {extent.planes} x {extent.side_px} x {extent.side_px}",
        caption=f"Limits: {limits.bfloat16_flop / 1e12:.3g} TFLOP/s in matrix products of bfloat16, "
        f"{limits.exponentials / 1e9:.3g} G exponentials/s",
    )
    for each in measured:
        rate = "" if each.rate is None else f"{each.rate:.3g} {each.unit}"
        fraction = "" if each.fraction is None else f"{100 * each.fraction:.2g} %"
        rendered.add_row(each.what, f"{each.seconds:.4g}", rate, fraction)
    return rendered


def _step_seconds(
    preset: TrainingPreset, method: TrainingMethod, device: torch.device, extent: Extent
) -> float:
    """Return the mean time of a step, excluding validation, which is rare in most presets."""
    last = WARM_UP_STEPS + extent.steps
    endless = replace(preset, n2v_steps=last + 1, pn2v_steps=last + 1, steps_per_validation=last + 1)
    timestamps_s: list[float] = []

    def on_step(step: TrainingStep) -> None:
        if step.step in {WARM_UP_STEPS, last}:
            _wait_for(device)
            timestamps_s.append(time.perf_counter())
        if step.step == last:
            raise _StopTrainingError

    with suppress(_StopTrainingError):
        train(
            [work.plane(extent.side_px)],
            method=method,
            preset=endless,
            noise_model=NOISE_MODEL if method == "pn2v" else None,
            seed=0,
            device=device,
            on_step=on_step,
        )
    return (timestamps_s[1] - timestamps_s[0]) / extent.steps


def _posterior(network: Network, device: torch.device, limits: Limits, *, pixels: int) -> Measured:
    """Measure the last layer and the likelihoods of one block, in the variant chosen for `pixels` pixels."""
    weight, bias = (values.to(device) for values in network.output_layer_adu())
    block_px = execution_on(device).block_px(samples_per_pixel(bias, network.prior))
    features = torch.rand((block_px, weight.shape[1]), device=device)
    observation = torch.full((block_px,), network.scale.origin_adu, device=device)
    noise_model = NOISE_MODEL.to(device, torch.float32)
    plain, chosen = (
        moments_of_block(
            weight,
            bias,
            noise_model,
            curve=network.output_scale.curve,
            prior=network.prior,
            pixels=count,
            block_px=block_px,
        )
        for count in (0, pixels)
    )
    with torch.no_grad():
        with ExponentialCounter() as counter:
            plain(features, observation)
        seconds = _least_seconds(lambda: chosen(features, observation), device)
    fraction = counter.count / seconds / limits.exponentials
    return Measured(
        f"posterior of {block_px} pixels", seconds, block_px / seconds / MEGAPIXEL, "megapixels/s", fraction
    )


def _whole_stack(
    folder: Path, preset: TrainingPreset, device: torch.device, extent: Extent
) -> Iterator[Measured]:
    """Measure all stages of Boot. GMM, including reading and writing."""
    source = folder / "noisy.tif"
    tifffile.imwrite(source, _stack(extent), photometric="minisblack")
    name = Preset(preset.name)
    options = DenoiseOptions(device, preset=name, prior=Prior.NONE, presets={name: preset})
    seconds = denoise_file(source, folder / "denoised.tif", options, lambda *_: None).seconds
    for stage, taken_s in seconds.items():
        yield Measured(f"Boot. GMM, {preset.name}: {stage}", taken_s)
    together = sum(seconds.values())
    megapixels = extent.planes * extent.side_px**2 / MEGAPIXEL
    yield Measured(f"Boot. GMM, {preset.name}: together", together, megapixels / together, "megapixels/s")


def _stack(extent: Extent) -> np.ndarray:
    shape_yx = (extent.side_px, extent.side_px)
    camera, rng = Scmos.with_maps(shape_yx, seed=1), np.random.default_rng(1)
    photons_yx = PHOTONS * simulate_specimen(shape_yx, seed=1)
    # A drifting specimen makes all planes differ, and is cheap to simulate.
    drift_px = max(extent.side_px // extent.planes, 1)
    return np.stack(
        [camera.observe(np.roll(photons_yx, plane * drift_px, axis=1), rng) for plane in range(extent.planes)]
    )


def _least_seconds(compute: Callable[[], object], device: torch.device) -> float:
    compute()  # warm-up: compiles what is compiled on first use
    times_s = []
    for _ in range(REPEATS):
        _wait_for(device)
        started_s = time.perf_counter()
        compute()
        _wait_for(device)
        times_s.append(time.perf_counter() - started_s)
    return min(times_s)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
