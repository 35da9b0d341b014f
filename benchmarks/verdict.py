"""Which spoilt results are told: four specimens from 10 to 1000 photons, and the real fields."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tifffile
import torch
from rich.table import Table
from scipy.ndimage import gaussian_filter

from benchmarks.fields import ScoredField, fields
from models_store.survey.survey import survey_planes
from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.measuring.noise_verdict import Expected, misfits
from worker.engine.noise.measuring.removed_noise import RemovedNoise, measure_removed_noise, variance_of
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.prediction.response import measure_response
from worker.engine.simulation import simulate_specimen
from worker.engine.stages.bootstrap import bootstrap_noise_model
from worker.engine.stages.pretrained import network_for
from worker.judging.image_facts import facts_of

PHOTONS = (10, 30, 100, 300, 1000)
BLURS_PX = (1.0, 1.5, 2.0, 3.0)
_SIZE_PX = 256
_OFFSET_ADU, _GAIN_ADU, _READ_ADU, _BACKGROUND = 100.0, 2.0, 2.0, 2.0
_CPU = torch.device("cpu")

Spoil = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Judged:
    """A result: root mean square of its change, in noise deviations, and whether it is told."""

    changed: float
    told: bool
    told_without_detail: bool
    found: RemovedNoise


def specimens() -> Mapping[str, np.ndarray]:
    """Return specimens (Y, X) of up to about 1: simulated, and means of frames if there are data."""
    found = {"simulated": _middle(simulate_specimen((512, 512), seed=3))}
    if folder := os.environ.get("CLEARSCOPE_TEST_DATA"):
        for name, path in (
            ("BPAE_B", "fmd_confocal/BPAE_B_avg50.tif"),
            ("mice", "fmd_confocal/mice_avg50.tif"),
            ("miro ch1", "miro/ch1_gt_f32.tif"),
        ):
            mean_yx = gaussian_filter(tifffile.imread(Path(folder) / path).astype(np.float64), 0.7)
            low, high = np.percentile(mean_yx, [1, 99.8])
            found[name] = _middle(((mean_yx - low) / (high - low)).clip(0))
    return found


def spoils(other_yx: np.ndarray) -> Mapping[str, Spoil]:
    """Return the ways to spoil a result; `other_yx` is the result of another plane."""
    blurred: dict[str, Spoil] = {
        f"blurred {sd_px:g} px": lambda good, sd_px=sd_px: gaussian_filter(good, sd_px)  # type: ignore[misc]
        for sd_px in BLURS_PX
    }
    return {
        "good": lambda good: good,
        **blurred,
        "structure removed": _without_brightest,
        "gain 20 % high": lambda good: _OFFSET_ADU + 1.2 * (good - _OFFSET_ADU),
        "gain 20 % low": lambda good: _OFFSET_ADU + 0.8 * (good - _OFFSET_ADU),
        "planes swapped": lambda _: other_yx,
    }


def judge(observation_yx: np.ndarray, other_yx: np.ndarray | None) -> Iterator[tuple[str, Judged]]:
    """Denoise a plane as `instant` does, spoil the result, and judge each."""
    observation_yx = observation_yx.astype(np.float32)
    good_yx, model = _instant(observation_yx)
    network = network_for(packaged_network(), model, observation_yx, bootstrapped=True)
    swapped_yx = _instant(other_yx.astype(np.float32))[0] if other_yx is not None else good_yx
    variance_at = variance_of(model)
    noise_adu = np.sqrt(variance_at(good_yx.astype(np.float64)))
    wrong = {"noise model x 0.4": 0.4, "noise model x 5": 5.0}
    for name, spoil in [*spoils(swapped_yx).items(), *((each, lambda good: good) for each in wrong)]:
        if name == "planes swapped" and other_yx is None:
            continue
        factor = wrong.get(name, 1.0)
        result_yx = np.asarray(spoil(good_yx), dtype=np.float32)
        if name != "good" and name not in wrong:
            # Jobs restore the mean of each plane.
            result_yx = result_yx + np.float32((observation_yx - result_yx).mean())
        found = measure_removed_noise(
            observation_yx,
            result_yx,
            lambda signal, factor=factor: factor * variance_at(signal),  # type: ignore[misc]
            lambda noise_adu: measure_response(network, observation_yx, noise_adu, device=_CPU),
        )
        if found is not None:
            before = replace(found, lost_detail=None, lost_detail_error=None)
            changed = float(np.sqrt((((result_yx - good_yx) / noise_adu) ** 2).mean()))
            yield (
                name,
                Judged(changed, bool(misfits(found, Expected())), bool(misfits(before, Expected())), found),
            )


def tables() -> Iterator[Table]:
    """Judge everything; one table of counts, and one of the real fields' good results."""
    counts: dict[tuple[str, int], list[Judged]] = {}
    for specimen_yx in specimens().values():
        for photons in PHOTONS:
            observation_yx = observe(specimen_yx, photons, 0)
            other_yx = observe(np.roll(specimen_yx, (40, 60), (0, 1)), photons, 1)
            for name, judged in judge(observation_yx, other_yx):
                counts.setdefault((name, photons), []).append(judged)
    shown = Table("result", *(f"{photons} photons" for photons in PHOTONS), title="told: before, now, of")
    for name in dict.fromkeys(name for name, _ in counts):
        cells = []
        for photons in PHOTONS:
            each = counts[name, photons]
            before, now = sum(one.told_without_detail for one in each), sum(one.told for one in each)
            missed = [one.changed for one in each if not one.told]
            largest = f" (missed: {max(missed):.2f})" if missed and max(missed) > 0 else ""
            cells.append(f"{before}, {now} of {len(each)}{largest}")
        shown.add_row(name, *cells)
    yield shown
    real = Table(
        "field", "result", "changed", "variance", "correlation", "slope", "detail", "told: before", "now"
    )
    for field in fields():
        for name, judged in judge(_field_middle(field), None):
            found = judged.found
            real.add_row(
                field.name,
                name,
                f"{judged.changed:.2f}",
                f"{found.variance:.2f}",
                f"{max(found.correlation_y, found.correlation_x):+.2f}",
                f"{found.structure_slope or 0:+.3f}",
                f"{found.lost_detail or 0:+.3f} +- {found.lost_detail_error or 0:.3f}",
                *("yes" if told else "-" for told in (judged.told_without_detail, judged.told)),
            )
    yield real


def observe(specimen_yx: np.ndarray, photons: float, seed: int) -> np.ndarray:
    """Return a plane of a camera with so many photons at the brightest, in ADU."""
    rng = np.random.default_rng([7, seed])
    noisy = _GAIN_ADU * rng.poisson(_BACKGROUND + photons * specimen_yx)
    return np.asarray(_OFFSET_ADU + noisy + rng.normal(0, _READ_ADU, specimen_yx.shape), dtype=np.float32)


def _instant(observation_yx: np.ndarray) -> tuple[np.ndarray, AnyNoiseModel]:
    survey = survey_planes([observation_yx])
    pretrained = packaged_network()
    model = bootstrap_noise_model(
        [observation_yx], pretrained, facts=facts_of(survey), seed=0, device=_CPU, on_plane=lambda *_: None
    ).fitted.model
    network = network_for(pretrained, model, observation_yx, bootstrapped=True)
    estimate_yx = predict_plane(network, observation_yx, device=_CPU).prior_mean_yx
    return estimate_yx + np.float32((observation_yx - estimate_yx).mean()), model


def _without_brightest(good_yx: np.ndarray) -> np.ndarray:
    """Return the result with the brightest structure of 24 x 24 pixels at the level of its surroundings."""
    smooth = gaussian_filter(good_yx, 6)
    y, x = (int(index) for index in np.unravel_index(np.argmax(smooth), smooth.shape))
    spoilt = good_yx.copy()
    spoilt[max(y - 12, 0) : y + 12, max(x - 12, 0) : x + 12] = np.quantile(good_yx, 0.2)
    return spoilt


def _field_middle(field: ScoredField) -> np.ndarray:
    return _middle(field.observation_yx)


def _middle(plane_yx: np.ndarray) -> np.ndarray:
    top, left = ((size - _SIZE_PX) // 2 for size in plane_yx.shape)
    return plane_yx[top : top + _SIZE_PX, left : left + _SIZE_PX]
