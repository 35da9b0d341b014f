"""Utilisation: achieved operations per second as a fraction of the machine's peak."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from rich.table import Table

from benchmarks import work
from benchmarks.work import CPU, NOISE_MODEL, ExponentialCounter
from worker.engine.devices.execution import BLOCK_PX
from worker.engine.devices.precision import convolution_precision
from worker.engine.prediction.posterior import COMPILE_FROM_SAMPLES, moments_of_block
from worker.engine.training.presets import PRESETS, TrainingPreset

MATRIX_SIDE = 2048
EXPONENTIALS_AT_ONCE = 1 << 17  # they fit in the L2 cache, and are enough for two threads
REPEATS = 5

BLIND_SPOT = replace(
    PRESETS["fast"],
    name="blind-spot",
    architecture="blind-spot",
    gaussians=5,
    features=48,
    depth=5,
    patches_per_step=4,
    patches_at_once=4,
)


@dataclass(frozen=True)
class Peaks:
    """Measured peak operations per second of this machine."""

    float32_flop: float
    bfloat16_flop: float | None
    """None if the processor has no bfloat16 arithmetic."""
    exponentials: float


@dataclass(frozen=True)
class Utilisation:
    """Operations and seconds of one computation, and the peak operations per second."""

    what: str
    operations: float
    unit: str
    seconds: float
    peak: float

    @property
    def fraction(self) -> float:
        return self.operations / self.seconds / self.peak


def networks() -> list[TrainingPreset]:
    """Return the paper's U-Net, the `fast` preset, and a blind-spot network if neither is one."""
    chosen = [PRESETS["paper"], PRESETS["fast"]]
    return chosen if any(preset.blind_spot("pn2v") for preset in chosen) else [*chosen, BLIND_SPOT]


def measure(preset: TrainingPreset, peaks: Peaks, *, compiled: bool = True) -> Iterator[Utilisation]:
    """Measure training, prediction, and the likelihoods within prediction."""
    shape = preset.shape("pn2v")
    name = f"{preset.name} ({preset.architecture}, {shape.features} features, {shape.depth} levels)"
    step = work.training_step(preset, "pn2v")
    peak_flop, kind = peaks.float32_flop, "float32"
    if peaks.bfloat16_flop is not None and _reduces_precision(preset):
        peak_flop, kind = peaks.bfloat16_flop, "bfloat16"
    patches = f"{preset.patches_per_step} patches of {preset.patch_px} px"
    yield Utilisation(f"{name}: training step, {patches}, {kind}", step.flop, "FLOP", step.seconds, peak_flop)

    network = work.network_of(preset)
    predicted = work.prediction(network) if compiled else work.prediction(network, side_px=32)
    what = f"{name}: prediction, 1 megapixel x {preset.symmetries}, float32"
    yield Utilisation(what, predicted.flop, "FLOP", predicted.seconds, peaks.float32_flop)

    weight, bias = network.output_layer_adu()
    pixels = BLOCK_PX if compiled else 64
    noise_model = NOISE_MODEL.to(CPU, torch.float32)
    features = torch.rand((pixels, shape.head_features), generator=torch.Generator().manual_seed(0))
    observation = torch.full((pixels,), network.scale.origin_adu)
    plain = moments_of_block(
        weight, bias, noise_model, curve=network.output_scale.curve, prior=network.prior, pixels=0
    )
    quick = moments_of_block(
        weight,
        bias,
        noise_model,
        curve=network.output_scale.curve,
        prior=network.prior,
        pixels=COMPILE_FROM_SAMPLES if compiled else 0,
    )
    with torch.no_grad():
        with ExponentialCounter() as counter:
            plain(features, observation)
        seconds = _least_seconds(lambda: quick(features, observation))
    what = f"{name}: posterior of {pixels} pixels"
    yield Utilisation(what, float(counter.count), "exp", seconds, peaks.exponentials)


def measure_peaks(matrix_side: int = MATRIX_SIDE) -> Peaks:
    """Measure the peaks; each is the best of several repeats."""
    values = torch.rand(EXPONENTIALS_AT_ONCE)
    results = torch.empty_like(values)
    seconds = _least_seconds(lambda: torch.exp(values, out=results))
    return Peaks(
        float32_flop=_matrix_products(torch.float32, matrix_side),
        bfloat16_flop=_matrix_products(torch.bfloat16, matrix_side)
        if _reduces_precision(PRESETS["fast"])
        else None,
        exponentials=EXPONENTIALS_AT_ONCE / seconds,
    )


def table(peaks: Peaks, measured: list[Utilisation]) -> Table:
    """Render operations, rates and fractions."""
    bfloat16 = "" if peaks.bfloat16_flop is None else f", {peaks.bfloat16_flop / 1e9:.0f} GFLOP/s in bfloat16"
    rendered = Table(
        "what",
        "computed",
        "seconds",
        "per second",
        "of the peak",
        title=f"Fraction of the machine's limit, {torch.get_num_threads()} threads",
        caption=f"Matrix products ({MATRIX_SIDE} x {MATRIX_SIDE}): "
        f"{peaks.float32_flop / 1e9:.0f} GFLOP/s in float32{bfloat16}; "
        f"{peaks.exponentials / 1e9:.2f} G exponentials/s",
    )
    for each in measured:
        computed = f"{each.operations / 1e9:.2f} G{each.unit}"
        rate = f"{each.operations / each.seconds / 1e9:.2f} G{each.unit}/s"
        rendered.add_row(each.what, computed, f"{each.seconds:.4f}", rate, f"{100 * each.fraction:.0f} %")
    return rendered


def _matrix_products(dtype: torch.dtype, side: int) -> float:
    left, right = (torch.rand((side, side)).to(dtype) for _ in range(2))
    return 2 * side**3 / _least_seconds(lambda: left @ right)


def _reduces_precision(preset: TrainingPreset) -> bool:
    with convolution_precision(CPU, reduced=preset.reduced_precision):
        return torch.is_autocast_enabled("cpu")


def _least_seconds(compute: Callable[[], object]) -> float:
    compute()
    times_s = []
    for _ in range(REPEATS):
        started_s = time.perf_counter()
        compute()
        times_s.append(time.perf_counter() - started_s)
    return min(times_s)
