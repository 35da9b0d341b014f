"""Drawing of Figures 3 and 4."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models_store.whole_files import appearing_whole, reporting_write_errors
from worker.engine.errors import NoiseFitError
from worker.engine.noise.models.histogram import HistogramNoiseModel
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.reproduction.calibration_subsets import CalibrationSubset
from worker.reproduction.methods import Experiment
from worker.reproduction.result_tables import Table

_GRID = 256
_SLICE_POSITIONS = (0.15, 0.4, 0.7)
_SLICE_COLOURS = ("tab:orange", "tab:green", "tab:purple")
_LINE_LENGTH = 50
_GAMMA = 0.5
"""Exponent of the colour scale, to make small probabilities visible."""

_ABLATIONS = {
    "calibrated": CalibrationSubset(),
    "0.1 % of the pixels": CalibrationSubset(pixel_share=0.001),
    "lower 9 % of the signals": CalibrationSubset(signal_share=0.09),
}


@dataclass(frozen=True, eq=False)
class NoiseModelPair:
    """Histogram and mixture from the same pixels; `missing` is the reason if there are none."""

    title: str
    histogram: AnyNoiseModel | None
    mixture: AnyNoiseModel | None
    missing: str = ""


def noise_model_pairs(experiment: Experiment) -> list[NoiseModelPair]:
    """Return the pairs of Figure 4: calibrated, bootstrapped, from few pixels, from low signals."""
    bootstrapped = NoiseModelPair(
        "bootstrapped", experiment.bootstrap("histogram"), experiment.bootstrap("gmm")
    )
    if not experiment.dataset.calibration:
        return [bootstrapped]
    calibrated, few, low = (_from_calibration(experiment, *part) for part in _ABLATIONS.items())
    return [calibrated, bootstrapped, few, low]


def _from_calibration(experiment: Experiment, title: str, subset: CalibrationSubset) -> NoiseModelPair:
    try:
        pairs = experiment.calibration_subset(subset)
        return NoiseModelPair(title, pairs.histogram.model(), experiment.calibrated_gmm(pairs))
    except NoiseFitError as error:
        return NoiseModelPair(title, None, None, error.detail)


def draw_noise_models(path: Path, pairs: Sequence[NoiseModelPair], name: str) -> Path:
    """Draw one row per pair: histogram, mixture, and slices of both beside the first histogram's."""
    figure = Figure(figsize=(12, 3.6 * len(pairs)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"Noise models, {name}")
    grid = np.atleast_2d(figure.subplots(len(pairs), 3))
    reference = next(pair.histogram for pair in pairs if isinstance(pair.histogram, HistogramNoiseModel))
    axis = np.linspace(reference.min_adu, reference.max_adu, _GRID)
    fitted = next(pair.mixture for pair in pairs if pair.mixture is not None)
    darkest, brightest = fitted.signal_min_adu, min(fitted.signal_max_adu, axis[-1])
    signals = [darkest + share * (brightest - darkest) for share in _SLICE_POSITIONS]
    for axes, pair in zip(grid, pairs, strict=True):
        for column, (kind, model) in enumerate((("histogram", pair.histogram), ("mixture", pair.mixture))):
            axes[column].set_title(f"{pair.title}: {kind}")
            if model is None:
                reason = axes[column].text(
                    0.5, 0.5, textwrap.fill(pair.missing, _LINE_LENGTH), ha="center", va="center", fontsize=8
                )
                # A long text must not shrink the other panels.
                reason.set_in_layout(False)
                axes[column].set_axis_off()
                continue
            _draw_density(axes[column], model, axis, signals)
        _draw_slices(axes[2], pair, reference, axis, signals)
    with reporting_write_errors(path), appearing_whole(path) as unfinished:
        figure.savefig(unfinished, dpi=100, format="png")
    return path


def _draw_density(
    axes: Axes, model: AnyNoiseModel, axis: NDArray[np.float64], signals: Sequence[float]
) -> None:
    density = _density(model, axis[:, None], axis[None, :])
    # Normalised per signal, because densities of dark signals are far higher.
    density /= density.max(axis=1, keepdims=True)
    extent = (axis[0], axis[-1], axis[0], axis[-1])
    axes.imshow(density**_GAMMA, origin="lower", extent=extent, aspect="auto", cmap="magma")
    for signal, colour in zip(signals, _SLICE_COLOURS, strict=True):
        axes.axhline(signal, color=colour, linewidth=1)
    axes.set_xlabel("observation (ADU)")
    axes.set_ylabel("signal (ADU)")


def _draw_slices(
    axes: Axes,
    pair: NoiseModelPair,
    reference: AnyNoiseModel,
    axis: NDArray[np.float64],
    signals: Sequence[float],
) -> None:
    for signal, colour in zip(signals, _SLICE_COLOURS, strict=True):
        axes.plot(axis, _density(reference, axis, np.array(signal)), color="black", linewidth=0.8)
        if pair.histogram is not None:
            axes.step(
                axis, _density(pair.histogram, axis, np.array(signal)), color=colour, linewidth=0.8, alpha=0.6
            )
        if pair.mixture is not None:
            axes.plot(axis, _density(pair.mixture, axis, np.array(signal)), color=colour, linewidth=1.6)
    axes.set_title("black: first histogram")
    axes.set_xlabel("observation (ADU)")
    axes.set_ylabel("density (1/ADU)")


def _density(
    model: AnyNoiseModel, observation: NDArray[np.float64], signal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the density; for grids, rows are signals and columns observations."""
    observations, signals = np.broadcast_arrays(observation, signal)
    likelihood = model.log_likelihood(torch.tensor(observations), torch.tensor(signals))
    return np.asarray(likelihood.exp().numpy().T)


def draw_ablations(path: Path, tables: Sequence[Table]) -> Path:
    """Draw the PSNR over the fraction of the calibration, one panel per table."""
    figure = Figure(figsize=(6 * len(tables), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, table in zip(np.atleast_1d(figure.subplots(1, len(tables))), tables, strict=True):
        for name, row in table.rows.items():
            measured = [(column, cell.psnr_db) for column in table.columns if (cell := row[column]).psnr_db]
            means = [summary.mean for _, summary in measured if summary]
            errors = [summary.standard_error or 0.0 for _, summary in measured if summary]
            axes.errorbar(
                [column for column, _ in measured], means, yerr=errors, marker="o", capsize=3, label=name
            )
        axes.set_title(table.title, fontsize=9)
        axes.set_ylabel("PSNR (dB)")
        axes.legend()
    with reporting_write_errors(path), appearing_whole(path) as unfinished:
        figure.savefig(unfinished, dpi=100, format="png")
    return path
