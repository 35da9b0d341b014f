"""Changes of a camera that are found, from calibrations and single images, and how honest errors are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from models_store.contracts.camera_figures import CameraCheck, CameraFigures, DriftLimits, FigureName
from worker.engine.noise.measuring.calibration_check import SceneResiduals
from worker.engine.noise.measuring.photon_transfer import PhotonTransfer
from worker.engine.noise.measuring.scene import average_scene
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.simulation.specimen import Structures
from worker.judging.camera_check import judge_camera
from worker.judging.camera_figures import camera_figures
from worker.judging.image_figures import image_figures
from worker.judging.scene_figures import SceneFigures, scene_figures

FloatImage = NDArray[np.float64]

STACK_PX, IMAGE_PX, GOOD_IMAGE_PX = 256, 512, 2048
FRAMES, BRIGHTEST = 20, 300.0
STRUCTURES: Sequence[Structures] = ("mixed", "nuclei", "filaments", "plant tissue")
PHOTONS = (5, 30, 100, 300, 1000)
_ROUNDING_ADU2 = 1 / 12
_HOT_SHARE = 0.001


def camera(size_px: int, *, hot: float = _HOT_SHARE) -> Scmos:
    """Return a camera of 2.2 DN/e-, with a share of hot pixels."""
    made = Scmos.with_maps((size_px, size_px), seed=1)
    rng = np.random.default_rng(2)
    number = round(hot * size_px**2)
    level_adu = made.offset_adu.copy()
    level_adu.flat[rng.permutation(size_px**2)[:number]] += rng.uniform(60, 2000, number)
    return replace(made, offset_adu=level_adu)


def changes() -> Mapping[str, Callable[[Scmos], Scmos]]:
    """Return the changes that are to be found; hot pixels are added by `camera`."""
    return {
        "none": lambda each: each,
        "gain + 3 %": lambda each: replace(each, gain_adu_per_e=1.03 * each.gain_adu_per_e),
        "offset + 2 DN": lambda each: replace(each, offset_adu=each.offset_adu + 2),
        "read noise x 1.5": lambda each: replace(each, read_noise_adu=1.5 * each.read_noise_adu),
        "hot pixels x 2": lambda each: camera(len(each.offset_adu), hot=2 * _HOT_SHARE),
    }


def calibrate(
    detector: Scmos, seed: int, *, known: CameraFigures | None = None, dark: bool = True
) -> CameraFigures:
    """Return the figures of 20 frames of a lit scene and, if wanted, 20 dark frames."""
    rng = np.random.default_rng([11, seed])
    size_px = len(detector.offset_adu)
    light = BRIGHTEST * np.tile(np.linspace(0.01, 1, size_px), (size_px, 1))
    lit = [observed_scene(detector, light, rng, dark=False)]
    unlit = [observed_scene(detector, np.zeros_like(light), rng, dark=True)] if dark else []
    return camera_figures(lit, unlit, rounding_adu2=_ROUNDING_ADU2, known=known)


def check_stack(detector: Scmos, seed: int, known: CameraFigures) -> CameraCheck:
    found = calibrate(detector, seed, known=known)
    return judge_camera(found, known, "the first calibration", DriftLimits(), "calibration")


def check_image(detector: Scmos, light: FloatImage, seed: int, known: CameraFigures) -> CameraCheck:
    image = detector.observe(light, np.random.default_rng([12, seed]))
    found = image_figures([image], known, rounding_adu2=_ROUNDING_ADU2)
    return judge_camera(found, known, "the first calibration", DriftLimits(), "image")


@cache
def specimen(structures: Structures, size_px: int, seed: int) -> FloatImage:
    return simulate_specimen((size_px, size_px), seed=100 + seed, structures=structures)


@dataclass(frozen=True)
class Spread:
    """Spread of a figure over repetitions, beside the standard error that each states."""

    name: FigureName
    mean: float
    spread: float
    stated: float


def spreads(size_px: int, repetitions: int) -> list[Spread]:
    """Repeat a calibration of one camera with other noise."""
    detector = camera(size_px)
    found = [calibrate(detector, seed) for seed in range(repetitions)]
    names = [name for name in FigureName if name in found[0].figures and name is not FigureName.HOT_PIXELS]
    rows = []
    for name in names:
        values = np.array([each.figures[name].value for each in found])
        stated = np.array([each.figures[name].standard_error for each in found])
        rows.append(Spread(name, float(values.mean()), float(values.std(ddof=1)), float(stated.mean())))
    return rows


def tables() -> Iterator[Table]:
    """Print spreads, then what is found from stacks, from many images, and from good images."""
    yield from stack_tables()
    yield from image_tables()


def stack_tables() -> Iterator[Table]:
    table = Table("figure", "mean", "spread of 40", "stated error", title=f"{STACK_PX} px, 20 + 20 frames")
    for each in spreads(STACK_PX, 40):
        table.add_row(each.name, f"{each.mean:.4g}", f"{each.spread:.2g}", f"{each.stated:.2g}")
    yield table
    known = calibrate(camera(STACK_PX), 1000)
    yield _found(
        "20 stacks of 20 + 20 frames",
        {
            name: [check_stack(change(camera(STACK_PX)), seed, known) for seed in range(20)]
            for name, change in changes().items()
        },
    )


def image_tables() -> Iterator[Table]:
    known = calibrate(camera(STACK_PX), 1000)
    detector = camera(IMAGE_PX)
    unchanged = Table(
        "specimen",
        *(f"{photons} photons" for photons in PHOTONS),
        title="unchanged images: alarms, with a gain, of",
    )
    for structures in STRUCTURES:
        cells = []
        for photons in PHOTONS:
            checks = [
                check_image(detector, photons * specimen(structures, IMAGE_PX, seed), seed, known)
                for seed in range(5)
            ]
            told = sum(bool(each.figures) for each in checks)
            cells.append(f"{sum(bool(each.drifted) for each in checks)}, {told}, 5")
        unchanged.add_row(structures, *cells)
    yield unchanged
    good = camera(GOOD_IMAGE_PX)
    light = 200 * specimen("mixed", GOOD_IMAGE_PX, 0)
    yield _found(
        f"8 good images: {GOOD_IMAGE_PX} px, mixed specimen, 200 photons",
        {
            name: [check_image(change(good), light, seed, known) for seed in range(8)]
            for name, change in list(changes().items())[:3]
        },
    )


def _found(title: str, checks: Mapping[str, Sequence[CameraCheck]]) -> Table:
    table = Table("change", *FigureName, "any", title=f"drifted figures: {title}")
    for name, each in checks.items():
        counts = [sum(figure in check.drifted for check in each) for figure in FigureName]
        table.add_row(name, *map(str, counts), f"{sum(bool(check.drifted) for check in each)} of {len(each)}")
    return table


def observed_scene(
    detector: Scmos, light: FloatImage, rng: np.random.Generator, *, dark: bool
) -> SceneFigures:
    """Return the figures of frames of one light."""
    frames = np.stack([detector.observe(light, rng) for _ in range(FRAMES)])
    scene = average_scene(frames, (0.0, float(detector.limit_adu)))
    residuals, transfer = SceneResiduals(scene), PhotonTransfer(scene)
    for frame in frames:
        residuals.add(frame)
        transfer.add(frame, residuals.latest_yx)
    found = scene_figures(transfer, dark=dark)
    if found is None:
        raise ValueError("no pixel of the simulated scene is usable")
    return found
