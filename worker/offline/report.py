"""Denoising report: observation, result, ground truth and noise model as a picture, and a JSON record."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models_store.whole_files import appearing_whole, reporting_write_errors, write_whole
from worker.engine.noise.fitting.pairs import PhotonTransferCurve
from worker.engine.noise.models.kinds import AnyNoiseModel

PICTURE = "report.png"
_DETAIL_FRACTION = 4  # the detail shows a quarter of the plane in each direction
_MIN_DETAIL_PX = 64
_GREY_PERCENTILES = (0.5, 99.7)
_MIN_PIXELS_PER_POINT = 50


@dataclass(frozen=True)
class LinearNoise:
    """Linear noise variance of a camera: gain * (signal - offset) + read noise squared."""

    gain_adu: float
    offset_adu: float
    read_noise_adu: float

    def variance_adu2(self, signal_adu: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.gain_adu * np.maximum(signal_adu - self.offset_adu, 0.0) + self.read_noise_adu**2


@dataclass(frozen=True, eq=False)
class DenoisedPlane:
    """One plane before and after denoising, (Y, X) in ADU, and the ground truth if known, on any scale."""

    observation_yx: NDArray[Any]
    result_yx: NDArray[Any]
    truth_yx: NDArray[Any] | None = None


@dataclass(frozen=True, eq=False)
class NoiseEvidence:
    """A noise model, the curve it was fitted to, and the true noise if known."""

    model: AnyNoiseModel
    measured: PhotonTransferCurve | None = None
    true_noise: LinearNoise | None = None


def write_report(
    folder: Path, plane: DenoisedPlane, noise: NoiseEvidence | None, record: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Write report.png and report.json (the record) and return their paths."""
    return write_reports(folder, [(PICTURE, plane, noise)], record)


def write_reports(
    folder: Path,
    drawings: Iterable[tuple[str, DenoisedPlane, NoiseEvidence | None]],
    record: Mapping[str, Any],
) -> tuple[Path, ...]:
    """Write a picture to each file name, and report.json (the record); return their paths."""
    with reporting_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, plane, noise in drawings:
        pictures.append(folder / name)
        draw_report(pictures[-1], plane, noise)
    document = folder / "report.json"
    with reporting_write_errors(document):
        write_whole(document, f"{json.dumps(record, indent=2, ensure_ascii=False)}\n".encode())
    return *pictures, document


def draw_report(path: Path, plane: DenoisedPlane, noise: NoiseEvidence | None) -> None:
    """Draw planes, a detail of each below, and the noise model beside; grey values scaled to the result."""
    pictures = {"observation": plane.observation_yx, "result": plane.result_yx}
    if plane.truth_yx is not None:
        pictures["truth"] = plane.truth_yx
    columns = len(pictures) + (noise is not None)
    figure = Figure(figsize=(4 * columns, 8.4), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, columns)
    for column, (title, plane_yx) in enumerate(pictures.items()):
        like = plane.truth_yx if title == "truth" else plane.result_yx
        low, high = np.nanpercentile(np.asarray(like, dtype=np.float64), _GREY_PERCENTILES)
        for row, part_yx in enumerate((plane_yx, _middle(plane_yx))):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(part_yx, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(title if row == 0 else f"{title}, detail")
    if noise is not None:
        _draw_noise(figure.add_subplot(grid[:, -1]), noise)
    with reporting_write_errors(path), appearing_whole(path) as unfinished:
        figure.savefig(unfinished, dpi=100, format="png")


def _middle(plane_yx: NDArray[Any]) -> NDArray[Any]:
    sides = [min(length, max(_MIN_DETAIL_PX, length // _DETAIL_FRACTION)) for length in plane_yx.shape]
    (top, left) = ((length - side) // 2 for length, side in zip(plane_yx.shape, sides, strict=True))
    return plane_yx[top : top + sides[0], left : left + sides[1]]


def _draw_noise(axes: Axes, noise: NoiseEvidence) -> None:
    """Draw the photon transfer curve: variance of the observations over the signal."""
    model = noise.model
    signal_adu = np.linspace(model.signal_min_adu, model.signal_max_adu, 200)
    variance = model.variance_adu2(torch.from_numpy(signal_adu)).numpy()
    axes.plot(signal_adu, variance, color="tab:red", label="noise model", zorder=3)
    if noise.measured is not None:
        enough = noise.measured.count >= _MIN_PIXELS_PER_POINT
        points = noise.measured.signal_adu[enough], noise.measured.variance_adu2[enough]
        axes.plot(*points, ".", color="0.6", markersize=4, label="measured")
    if noise.true_noise is not None:
        axes.plot(signal_adu, noise.true_noise.variance_adu2(signal_adu), "k--", label="truth")
    axes.set_xlabel("signal (ADU)")
    axes.set_ylabel("variance of the observations (ADU²)")
    axes.set_title("photon transfer curve")
    axes.set_ylim(0, 1.3 * float(variance.max()))
    axes.legend()
