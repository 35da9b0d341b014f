"""Pictures that explain the method, made by the engine from a simulated specimen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy import ndimage

from demo.sample import Sample, simulate
from models_store.survey.survey import survey_planes
from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import select_gmm
from worker.engine.noise.measuring.residual_correction import deviation_factor
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.pretrained import estimate_with_uncertainty, network_for
from worker.engine.training.loop import train
from worker.engine.training.presets import PRESETS
from worker.judging.image_facts import facts_of

SEED = 1
CPU = torch.device("cpu")
SMALL = replace(
    PRESETS["fast"],
    features=8,
    depth=2,
    patch_px=64,
    n2v_steps=150,
    steps_per_validation=50,
    reduced_precision=False,
    symmetries=1,
)
"""An N2V network that is good enough to be shown after seconds of training."""

TRIMMED = 0.005
OBSERVED, TRUTH, MODEL = "0.55", "black", "tab:red"


@dataclass(frozen=True, eq=False)
class Example:
    """A specimen, what the method makes of it on the way, and the result; planes are (Y, X) in ADU."""

    sample: Sample
    n2v_yx: NDArray[Any]
    pairs: PairCounts
    noise_model: GaussianMixtureNoiseModel
    result_yx: NDArray[Any]


@cache
def example() -> Example:
    """Train an N2V network on a simulated image, bootstrap a noise model and denoise the image."""
    sample = simulate(SEED)
    plane_yx = sample.observation_yx.astype(np.float32)
    n2v = train([plane_yx], method="n2v", preset=SMALL, seed=SEED, device=CPU, on_step=lambda _step: None)
    n2v_yx = predict_plane(n2v, plane_yx, device=CPU).prior_mean_yx
    pairs = PairCounts(observation_max_adu=facts_of(survey_planes([sample.observation_yx])).saturation_adu)
    pairs.add(plane_yx, n2v_yx, deviation_factor=deviation_factor(plane_yx, n2v_yx))
    trimmed = pairs.trimmed(TRIMMED, 1 - TRIMMED)
    noise_model = select_gmm(trimmed, generator=torch.Generator().manual_seed(SEED)).fitted.model
    network = network_for(packaged_network(), None, plane_yx)
    result = estimate_with_uncertainty(network, plane_yx, device=CPU)
    return Example(sample, n2v_yx, trimmed, noise_model, result.signal_yx)


def draw_pictures(folder: Path) -> None:
    """Draw all pictures of the method into a folder, as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (draw, size_inches) in PICTURES.items():
        figure = Figure(figsize=size_inches, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure, example())
        # Without the version of matplotlib, so that equal pictures are equal files.
        figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})


def before_and_after(figure: Figure, shown: Example) -> None:
    """Observation, result and truth."""
    planes = {
        "what the camera recorded": shown.sample.observation_yx,
        "what ClearScope makes of it": shown.result_yx,
        "the specimen (known: it is simulated)": shown.sample.signal_yx,
    }
    low, high = np.percentile(shown.sample.signal_yx, (0.5, 99.7))
    for axes, (title, plane_yx) in zip(figure.subplots(1, 3), planes.items(), strict=True):
        _picture(axes, plane_yx, title, (low, high))


def photon_transfer(figure: Figure, shown: Example) -> None:
    """Variance of the noise over the signal: known, measured by bootstrapping, fitted."""
    axes = figure.subplots()
    low, high = shown.noise_model.signal_min_adu, shown.noise_model.signal_max_adu
    signal_adu = np.linspace(low, high, 100)
    curve = shown.pairs.photon_transfer_curve()
    enough = curve.count >= 50  # noqa: PLR2004  # fewer pixels tell no variance
    axes.plot(
        curve.signal_adu[enough],
        curve.variance_adu2[enough],
        ".",
        color=OBSERVED,
        label="measured in the noisy image",
    )
    fitted = shown.noise_model.variance_adu2(torch.from_numpy(signal_adu)).numpy()
    axes.plot(signal_adu, fitted, color=MODEL, label="bootstrapped noise model")
    true = shown.sample.noise.variance_adu2(signal_adu)
    axes.plot(signal_adu, true, "--", color=TRUTH, label="true noise of the camera")
    axes.set_xlabel("signal (ADU)")
    axes.set_ylabel("variance of the noise (ADU²)")
    axes.set_ylim(0, 1.3 * float(fitted.max()))
    axes.legend()


def blind_spot(figure: Figure, shown: Example) -> None:
    """A pixel that is hidden from the network, and what it predicts there from the neighbours."""
    top, left, side = *_place(shown.sample.signal_yx, percentile=100), 11
    half = side // 2
    part = np.s_[top - half : top + half + 1, left - half : left + half + 1]
    observed_yx = shown.sample.observation_yx[part].astype(float)
    hidden_yx = observed_yx.copy()
    hidden_yx[half, half] = np.nan
    filled_yx = observed_yx.copy()
    filled_yx[half, half] = shown.n2v_yx[part][half, half]
    limits = (observed_yx.min(), observed_yx.max())
    titles = ("a pixel and its neighbours", "what the network sees", "what it predicts for the pixel")
    for axes, plane_yx, title in zip(
        figure.subplots(1, 3), (observed_yx, hidden_yx, filled_yx), titles, strict=True
    ):
        _picture(axes, np.ma.masked_invalid(plane_yx), title, limits)
        axes.add_patch(_frame(half))
        if plane_yx is hidden_yx:
            axes.text(half, half, "?", color=MODEL, ha="center", va="center")


def bootstrapping(figure: Figure, shown: Example) -> None:
    """Observations of pixels of one estimate, beside the noise model's density there."""
    low, high = shown.noise_model.signal_min_adu, shown.noise_model.signal_max_adu
    all_axes = figure.subplots(1, 3, sharey=True)
    for axes, share in zip(all_axes, (0.15, 0.4, 0.7), strict=True):
        signal_adu = low + share * (high - low)
        alike = np.abs(shown.n2v_yx - signal_adu) < 0.02 * (high - low)
        observed_adu = shown.sample.observation_yx[alike]
        deviation = 4 * float(shown.noise_model.variance_adu2(torch.tensor([signal_adu])).sqrt())
        values = np.linspace(signal_adu - deviation, signal_adu + deviation, 200)
        axes.hist(observed_adu, bins=25, range=(values[0], values[-1]), density=True, color=OBSERVED)
        axes.plot(values, _density(shown.noise_model, values, np.full_like(values, signal_adu)), color=MODEL)
        axes.set_title(f"estimate {signal_adu:.0f} ADU: {alike.sum():,} pixels")
        axes.set_xlabel("observation (ADU)")
    all_axes[0].set_ylabel("density")
    all_axes[-1].legend(["noise model", "pixels of the image"])


def posterior(figure: Figure, shown: Example) -> None:
    """What neighbours say, what the pixel says, and both together."""
    axes = figure.subplots()
    y, x = _place(shown.sample.signal_yx, percentile=99)
    expected_adu = float(shown.n2v_yx[y, x])
    observed_adu = float(shown.sample.observation_yx[y, x])
    # Of the pixels that are about as bright: dark ones are easier to predict.
    alike = np.abs(shown.n2v_yx - expected_adu) < 0.2 * (expected_adu - shown.n2v_yx.min())
    error_adu = float(np.sqrt(np.mean((shown.n2v_yx - shown.sample.signal_yx)[alike] ** 2)))
    noise_adu = float(shown.noise_model.variance_adu2(torch.tensor([expected_adu])).sqrt())
    centre = (expected_adu + observed_adu) / 2
    signal_adu = np.linspace(centre - 4 * noise_adu, centre + 4 * noise_adu, 400)
    prior = np.exp(-0.5 * ((signal_adu - expected_adu) / error_adu) ** 2)
    likelihood = _density(shown.noise_model, np.full_like(signal_adu, observed_adu), signal_adu)
    curves = {
        "prior: what the neighbours let expect": (prior, "tab:blue"),
        "likelihood: what the pixel says, by the noise model": (likelihood, MODEL),
        "posterior: both together": (prior * likelihood, "black"),
    }
    for label, (density, colour) in curves.items():
        axes.plot(
            signal_adu, density / (density.sum() * (signal_adu[1] - signal_adu[0])), colour, label=label
        )
    axes.axvline(float(shown.sample.signal_yx[y, x]), color="0.7", linestyle=":", label="true signal")
    axes.set_xlabel("signal of the pixel (ADU)")
    axes.set_yticks([])
    figure.legend(loc="outside upper center")


def residuals(figure: Figure, shown: Example) -> None:
    """What a good result removes, and one that is too smooth."""
    observed_yx = shown.sample.observation_yx.astype(float)
    smooth_yx = ndimage.gaussian_filter(observed_yx, 4)
    noise_adu = np.sqrt(shown.sample.noise.variance_adu2(shown.sample.signal_yx))
    planes = {
        "removed by ClearScope: noise alone": shown.result_yx,
        "removed by a filter that blurs: structure, too": smooth_yx,
    }
    for axes, (title, plane_yx) in zip(figure.subplots(1, 2), planes.items(), strict=True):
        _picture(axes, (observed_yx - plane_yx) / noise_adu, title, (-4, 4))


Draw = Callable[[Figure, Example], None]
PICTURES: Mapping[str, tuple[Draw, tuple[float, float]]] = {
    "before-and-after": (before_and_after, (10, 3.6)),
    "photon-transfer": (photon_transfer, (6, 3.6)),
    "blind-spot": (blind_spot, (8, 3)),
    "bootstrapping": (bootstrapping, (9, 3)),
    "posterior": (posterior, (6, 4.4)),
    "residuals": (residuals, (7, 3.8)),
}


def _picture(axes: Axes, plane_yx: NDArray[Any], title: str, limits: tuple[float, float]) -> None:
    axes.imshow(plane_yx, cmap="gray", interpolation="nearest", vmin=limits[0], vmax=limits[1])
    axes.set_axis_off()
    axes.set_title(title, fontsize=10)


def _frame(place: int) -> Rectangle:
    return Rectangle((place - 0.5, place - 0.5), 1, 1, fill=False, edgecolor=MODEL, linewidth=2)


def _place(signal_yx: NDArray[Any], *, percentile: float) -> tuple[int, int]:
    """Return the place of the pixel whose signal is nearest to a percentile of them, not near a border."""
    border = 16
    inner_yx = signal_yx[border:-border, border:-border]
    nearest = np.abs(inner_yx - np.percentile(inner_yx, percentile)).argmin()
    y, x = np.unravel_index(int(nearest), inner_yx.shape)
    return int(y) + border, int(x) + border


def _density(model: GaussianMixtureNoiseModel, observed: NDArray[Any], signal: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(model.log_likelihood(torch.from_numpy(observed), torch.from_numpy(signal)).exp())
