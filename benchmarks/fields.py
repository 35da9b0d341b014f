"""Noisy fields of view with references to score against."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from worker.engine.simulation import Detector, PhotonCounter, Scmos, simulate_specimen

SHAPE_YX = (512, 512)
SEED = 3

OTHER_PLACES = 3

EXPOSURES_MS = (10, 20, 50, 100)

# Paths of observation and reference, and a pattern of further images of the same specimen and camera.
REAL_FIELDS: dict[str, tuple[str, str, str | None]] = {
    "fmd mice": ("fmd_confocal/mice_raw.tif", "fmd_confocal/mice_avg50.tif", None),
    "fmd BPAE_B": ("fmd_confocal/BPAE_B_raw.tif", "fmd_confocal/BPAE_B_avg50.tif", None),
} | {
    f"miro {channel} {exposure_ms} ms": (
        f"miro/{channel}_raw_{exposure_ms:03d}ms_u16.tif",
        f"miro/{channel}_gt_f32.tif",
        f"miro/{channel}_raw_*ms_u16.tif",
    )
    for channel in ("ch1", "ch3")
    for exposure_ms in EXPOSURES_MS
}


@dataclass(frozen=True, eq=False)
class ScoredField:
    """One noisy image and its reference (Y, X); the reference may be on another scale."""

    name: str
    observation_yx: np.ndarray
    reference_yx: np.ndarray
    others: tuple[np.ndarray, ...] = ()
    """More noisy images of the same specimen and camera: of other places if simulated, of the same place at
    other exposures in `miro`."""


def fields() -> Iterator[ScoredField]:
    """Iterate over the simulated fields, and the real ones if CLEARSCOPE_TEST_DATA is set."""
    specimens_yx = [simulate_specimen(SHAPE_YX, seed=SEED + place) for place in range(1 + OTHER_PLACES)]
    rng = np.random.default_rng(SEED)
    yield _simulated("simulated sCMOS", Scmos.with_maps(SHAPE_YX, seed=SEED), 80, specimens_yx, rng)
    yield _simulated("simulated 8 bit", PhotonCounter(), 12, specimens_yx, rng)
    if folder := os.environ.get("CLEARSCOPE_TEST_DATA"):
        yield from _real_fields(Path(folder))


def _simulated(
    name: str, camera: Detector, photons: float, specimens_yx: list[np.ndarray], rng: np.random.Generator
) -> ScoredField:
    first_yx, *others_yx = specimens_yx
    observation_yx = camera.observe(photons * first_yx, rng)
    # A separate generator, so that a field does not depend on the number of other images.
    rng = np.random.default_rng([SEED, OTHER_PLACES])
    others = tuple(camera.observe(photons * other_yx, rng) for other_yx in others_yx)
    return ScoredField(name, observation_yx, first_yx, others)


def _real_fields(folder: Path) -> Iterator[ScoredField]:
    for name, (raw, reference, more) in REAL_FIELDS.items():
        others = sorted(path for path in folder.glob(more) if path != folder / raw) if more else []
        yield ScoredField(
            name,
            tifffile.imread(folder / raw),
            tifffile.imread(folder / reference),
            tuple(tifffile.imread(path) for path in others),
        )
