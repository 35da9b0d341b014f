"""How often intervals of the posterior standard deviation hold the true signals of simulated images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from rich.table import Table
from scipy import ndimage

from models_store.clock_and_ids import new_id
from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.spec_parts import TrainingBudget
from models_store.contracts.vocabulary import Output, Preset, Prior, Reuse
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from worker.engine.simulation import Detector, Emccd, PhotonCounter, Scmos, organelles, simulate_specimen
from worker.engine.simulation.textures import power_law_texture
from worker.offline.run import offline_run

SIZE_PX = 160
PHOTONS = (5, 20, 100, 300, 1000)
"""At the brightest pixels."""
DETECTORS = ("sCMOS", "EMCCD", "photon counter")
_BACKGROUND = 0.05
_NINETY = 1.6449
"""Half the width of the interval that holds 90 % of a Gaussian, in standard deviations."""
_FULL_SCALE_ADU = 240.0

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A simulated image, and what became of it."""

    specimen: str
    detector: str
    photons: float
    preset: Preset
    prior: Prior | None
    planes: int
    estimate: str
    coverage: float
    """Share of the pixels whose true signal lies in the 90 % interval."""
    dark: float
    bright: float
    """The same for the darkest half and the brightest tenth of the true signals."""
    ratio: float
    """Root mean square error over the root mean square of the standard deviations."""


def specimens(size_px: int = SIZE_PX) -> Iterator[tuple[str, Image]]:
    """Yield names and relative light (Y, X), 0 to about 1."""
    shape_yx = (size_px, size_px)
    yield "cells and fibres", _relative(simulate_specimen(shape_yx, seed=11))
    drawn = {
        "cells": organelles.cells,
        "fibres": organelles.fibres,
        "vesicles": organelles.vesicles,
        "mitochondria": organelles.mitochondria,
        "texture": power_law_texture,
    }
    for name, draw in drawn.items():
        sharp = draw(shape_yx, np.random.default_rng(5))
        yield name, _relative(ndimage.gaussian_filter(sharp, 1.2))


def detector(name: str, photons: float, size_px: int = SIZE_PX) -> Detector:
    """Return a detector that does not saturate with so many photons."""
    if name == "sCMOS":
        return Scmos.with_maps((size_px, size_px), seed=1)
    if name == "EMCCD":
        return Emccd()
    return PhotonCounter(gain_adu_per_photon=_FULL_SCALE_ADU / (photons + 4 * np.sqrt(photons) + 4))


def signal_adu(detected: Detector, photons: Image) -> Image:
    """Return the true signal; what differs from pixel to pixel of a camera is noise."""
    if isinstance(detected, Scmos):
        return np.asarray(detected.gain_adu_per_e.mean() * photons + detected.offset_adu.mean())
    return detected.signal_adu(photons)


def measure(  # noqa: PLR0913  # what is simulated, and how it is denoised
    preset: Preset,
    prior: Prior | None = None,
    photons: Sequence[float] = PHOTONS,
    detectors: Sequence[str] = DETECTORS,
    names: Sequence[str] | None = None,
    *,
    size_px: int = SIZE_PX,
    planes: int = 1,
    budget: TrainingBudget | None = None,
) -> Iterator[Case]:
    """Denoise each simulated image, or stack of planes, with a preset as jobs do.

    `budget` replaces numbers of the preset.
    """
    for name, light_yx in specimens(size_px):
        if names is not None and name not in names:
            continue
        light = moving(light_yx, planes)
        for detector_name in detectors:
            for most in photons:
                photons_of_pixels = most * (_BACKGROUND + light)
                detected = detector(detector_name, most, size_px)
                rng = np.random.default_rng([3, int(most)])
                observed = np.stack([detected.observe(plane_yx, rng) for plane_yx in photons_of_pixels])
                estimate, result, std = denoise(observed.squeeze(), preset, prior, budget)
                truth = signal_adu(detected, photons_of_pixels)
                held = _held(truth, result.reshape(truth.shape), std.reshape(truth.shape))
                yield Case(name, detector_name, most, preset, prior, planes, estimate, **held)


def moving(light_yx: Image, planes: int) -> Image:
    """Return planes (T, Y, X) of a specimen that moves by half a pixel along X from one to the next."""
    shifts_px = 0.5 * np.arange(planes)
    moved = [ndimage.shift(light_yx, (0, shift), order=3, mode="nearest") for shift in shifts_px]
    return np.maximum(np.stack(moved), 0)


def denoise(
    observation: NDArray[np.generic],
    preset: Preset,
    prior: Prior | None,
    budget: TrainingBudget | None = None,
) -> tuple[str, Image, Image]:
    """Return the name of the chosen estimate, the result, and its standard deviation, ADU.

    The observation and both have the axes (Y, X) or (T, Y, X).
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "observed.ome.tif"
        tifffile.imwrite(source, observation, metadata={"axes": "TYX"[-observation.ndim :]}, ome=True)
        with offline_run(folder, device=torch.device("cpu"), show=lambda *_: None) as run:
            image_id, header, survey = run.add_image(source)
            extent = ImageExtent(image_id, header.planes, header.height_px * header.width_px)
            spec = DenoiseSpec(
                image_ids=[image_id],
                preset=preset,
                prior=prior,
                budget=budget or TrainingBudget(),
                reuse=Reuse.NONE,
                outputs=(Output.DENOISED, Output.POSTERIOR_STD),
            )
            plan = plan_denoise(
                spec,
                KnownModels(profile=None),
                PredictionExtent([extent], header.planes * extent.plane_px),
                lambda: new_id("job"),
                correlation=survey.noise_correlation,
            )
            run.begin(spec)
            outcome = run.carry_out_plan(plan)
            found = {}
            for artifact in outcome.artifacts:
                if artifact.output is not None:
                    with run.blobs.as_file(artifact.blob.key) as path:
                        found[artifact.output] = tifffile.imread(path).astype(np.float64)
            return outcome.result["estimate"], found[Output.DENOISED], found[Output.POSTERIOR_STD]


def table(cases: Sequence[Case]) -> Table:
    """Render the shares for each preset and number of photons: mean, lowest and highest of the cases."""
    rendered = Table(
        "preset", *(f"{photons:g} photons" for photons in PHOTONS), "all", title="90 % intervals hold, %"
    )
    for kind in dict.fromkeys(map(_kind, cases)):
        own = [case for case in cases if _kind(case) == kind]
        columns = [[case for case in own if case.photons == photons] for photons in PHOTONS]
        rendered.add_row(kind, *(_cell(column) for column in [*columns, own]))
    return rendered


def _kind(case: Case) -> str:
    prior = "" if case.prior is None else f", prior {case.prior}"
    return f"{case.preset}{prior}{', stacks' if case.planes > 1 else ''}"


def _cell(cases: Sequence[Case]) -> str:
    if not cases:
        return "-"
    held = [100 * case.coverage for case in cases]
    return f"{np.mean(held):.0f} ({min(held):.0f} to {max(held):.0f})"


def _held(truth_yx: Image, result_yx: Image, std_yx: Image) -> dict[str, float]:
    deviation = np.abs(truth_yx - result_yx)
    inside = deviation <= _NINETY * std_yx
    dark, bright = truth_yx <= np.quantile(truth_yx, 0.5), truth_yx >= np.quantile(truth_yx, 0.9)
    return {
        "coverage": float(inside.mean()),
        "dark": float(inside[dark].mean()),
        "bright": float(inside[bright].mean()),
        "ratio": float(np.sqrt(np.mean(deviation**2) / np.mean(std_yx**2))),
    }


def _relative(light_yx: Image) -> Image:
    return np.asarray(light_yx / max(float(np.quantile(light_yx, 0.995)), 1e-12))
