"""Noisy images with a reference to score against."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from worker.engine.simulation import PhotonCounter, Scmos, simulate_specimen

SHAPE_YX = (512, 512)
SEED = 3

REAL_FIELDS = {
    "miro ch1 20 ms": ("miro/ch1_raw_020ms_u16.tif", "miro/ch1_gt_f32.tif"),
    "miro ch3 20 ms": ("miro/ch3_raw_020ms_u16.tif", "miro/ch3_gt_f32.tif"),
    "fmd mice": ("fmd_confocal/mice_raw.tif", "fmd_confocal/mice_avg50.tif"),
    "fmd BPAE_B": ("fmd_confocal/BPAE_B_raw.tif", "fmd_confocal/BPAE_B_avg50.tif"),
}


@dataclass(frozen=True, eq=False)
class Field:
    """One noisy image and what it shows, (Y, X); the reference may be on another scale."""

    name: str
    observation_yx: np.ndarray
    reference_yx: np.ndarray


def fields() -> Iterator[Field]:
    """Give the simulated fields, and the real ones if CLEARSCOPE_TEST_DATA names their folder."""
    specimen_yx = simulate_specimen(SHAPE_YX, seed=SEED)
    rng = np.random.default_rng(SEED)
    scmos, counter = Scmos.with_maps(SHAPE_YX, seed=SEED), PhotonCounter()
    yield Field("simulated sCMOS", scmos.observe(80 * specimen_yx, rng), specimen_yx)
    yield Field("simulated 8 bit", counter.observe(12 * specimen_yx, rng), specimen_yx)
    folder = os.environ.get("CLEARSCOPE_TEST_DATA")
    for name, (raw, reference) in REAL_FIELDS.items() if folder else ():
        yield Field(
            name, tifffile.imread(Path(folder or "") / raw), tifffile.imread(Path(folder or "") / reference)
        )
