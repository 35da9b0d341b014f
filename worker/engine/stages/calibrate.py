"""Calibration stage: a noise model from frames of static scenes, with the mean frame as the signal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch

from worker.engine.errors import CalibrationUnsuitableError
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import SelectedNoiseModel, count_histogram, select_gmm
from worker.engine.noise.measuring.calibration_check import CalibrationCheck, SceneResiduals
from worker.engine.noise.measuring.coverage import Coverage, coverage
from worker.engine.noise.measuring.facts import ImageFacts
from worker.engine.noise.measuring.photon_transfer import MIN_FRAMES, PhotonTransfer
from worker.engine.noise.measuring.scene import average_scene
from worker.engine.noise.models.histogram import HistogramCounts
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind
from worker.engine.planes.sequence import PlaneSequence

OnScene = Callable[[str, PhotonTransfer], None]
"""Takes the name of a scene and its photon transfer."""

UNUSUAL_FRACTION = 0.0005
"""Fraction of the darkest and brightest signals that is left out: hot pixels would stretch the range."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A calibrated noise model, the check of each scene by name, and its coverage of the images, if any.

    `signal_range_adu` is the range of the frames' signals used; a histogram's own range is wider.
    """

    selected: SelectedNoiseModel[AnyNoiseModel]
    signal_range_adu: tuple[float, float]
    scenes: Mapping[str, CalibrationCheck]
    coverage: Coverage | None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about scenes, fit and coverage."""
        found = [f"{name}: {each}" for name, check in self.scenes.items() for each in check.warnings]
        if self.selected.check.verdict == "poor":
            found.append(f"the check of the noise model is {self.selected.check.summary}")
        if self.coverage is not None and self.coverage.warning is not None:
            found.append(self.coverage.warning)
        return tuple(found)


def calibrate_noise_model(  # noqa: PLR0913  # what to read, how to fit, and whom to tell
    scenes: Mapping[str, PlaneSequence],
    facts: ImageFacts,
    *,
    kind: NoiseModelKind = "gmm",
    images: PlaneSequence | None = None,
    images_facts: ImageFacts | None = None,
    seed: int,
    on_frame: Callable[[int, int], None],
    on_scene: OnScene | None = None,
) -> Calibration:
    """Fit a mixture or a histogram to pairs of the frames (Y, X) of all scenes and their scene's mean.

    `images` are the images to denoise: they define the range of a histogram, and their signals should be
    covered. Frames are read one at a time, twice, in the detector's dtype, which defines its limits.
    `on_frame(done, of)` is called after each, `on_scene` after each scene of `MIN_FRAMES` or more. Raises
    CalibrationUnsuitableError if a scene changes or saturates, or most of the images' signals are not
    covered; ImageUnsuitableError, NoiseFitError.
    """
    histogram = (images_facts or facts).empty_histogram() if kind == "histogram" else None
    counts, checks = count_calibration(
        scenes, facts, on_frame=on_frame, histogram=histogram, on_scene=on_scene
    )
    selected, signal_range_adu = _fit(counts, histogram, seed)
    covered = None
    if images is not None:
        covered = coverage(selected.fitted.model, signal_range_adu, images)
        if covered.unusable:
            raise CalibrationUnsuitableError(covered.unusable)
    return Calibration(selected, signal_range_adu, checks, covered)


def count_calibration(
    scenes: Mapping[str, PlaneSequence],
    facts: ImageFacts,
    *,
    on_frame: Callable[[int, int], None],
    histogram: HistogramCounts | None = None,
    on_scene: OnScene | None = None,
) -> tuple[PairCounts, dict[str, CalibrationCheck]]:
    """Count the pairs of all frames and their scene's mean, also in the histogram if given; check the scenes.

    Reads, reports and raises like `calibrate_noise_model`.
    """
    counts = PairCounts(observation_max_adu=facts.saturation_adu)
    done, of = 0, 2 * sum(len(frames) for frames in scenes.values())

    def count_frame() -> None:
        nonlocal done
        done += 1
        on_frame(done, of)

    checks = {}
    for name, frames in scenes.items():
        on_transfer = partial(on_scene, name) if on_scene is not None else None
        checks[name] = check = _count_scene(frames, counts, histogram, count_frame, on_transfer)
        if check.unusable:
            raise CalibrationUnsuitableError(f"{name} is unsuitable for calibration: {check.unusable}")
    return counts, checks


def _count_scene(
    frames: PlaneSequence,
    counts: PairCounts,
    histogram: HistogramCounts | None,
    on_frame: Callable[[], None],
    on_transfer: Callable[[PhotonTransfer], None] | None,
) -> CalibrationCheck:
    scene = average_scene(frames, counts.limits_adu(frames[0].dtype), on_frame)
    residuals = SceneResiduals(scene)
    transfer = PhotonTransfer(scene) if on_transfer is not None and scene.frames >= MIN_FRAMES else None
    unusable_yx = ~scene.usable_yx
    for index in scene.indices:
        frame = frames[index]
        residuals.add(frame)
        if transfer is not None:
            transfer.add(frame, residuals.latest_yx)
        counts.add(frame, scene.mean_yx, saturated=unusable_yx, deviation_factor=scene.deviation_factor)
        if histogram is not None:
            histogram.add(
                frame, scene.mean_yx, saturated=unusable_yx, deviation_factor=scene.deviation_factor
            )
        on_frame()
    for _ in scene.copied_frames:
        on_frame()
    if on_transfer is not None and transfer is not None:
        on_transfer(transfer)
    return residuals.check()


def _fit(
    counts: PairCounts, histogram: HistogramCounts | None, seed: int
) -> tuple[SelectedNoiseModel[AnyNoiseModel], tuple[float, float]]:
    """Return the noise model and the range of signals (ADU) it was fitted to."""
    usual = counts.trimmed(UNUSUAL_FRACTION, 1 - UNUSUAL_FRACTION).unsaturated()
    if histogram is None:
        selected = select_gmm(usual, generator=torch.Generator().manual_seed(seed))
        return selected, usual.signal_range_adu
    if not histogram.pairs:
        low_adu, high_adu = usual.signal_range_adu
        raise CalibrationUnsuitableError(
            f"the calibration's signals, {low_adu:.4g} .. {high_adu:.4g} ADU, lie outside the images' range, "
            f"which begins at {histogram.min_adu:.4g} ADU; calibrate over the whole range of the images"
        )
    histogram.trim(UNUSUAL_FRACTION, 1 - UNUSUAL_FRACTION)
    # Frames may exceed the range of the images, where the histogram has no counts or truncated rows.
    within = usual.observed_within(histogram.min_adu, histogram.max_adu)
    return replace(count_histogram(histogram, within), counts=usual), within.signal_range_adu
