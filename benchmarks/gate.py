"""Which noise models are refused or warned of: of the image's detector, and of others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.intervals import specimens
from models_store.contracts.noise_model_fit import Verdict
from models_store.contracts.noise_models import GmmParameters
from models_store.job_requests.noise_model_fit import judge_fit
from models_store.survey.survey import survey_planes

SPECIMENS = ("cells and fibres", "fibres", "vesicles", "texture")
PHOTONS = (5, 20, 80, 300, 1000)
"""At the brightest pixels."""
SMALL_PX, SEEDS = 256, 10
LARGE_PX = (512, 1024)
SEEDS_OF_LARGE = 2
_BACKGROUND = 0.05
_SIGNALS_ADU = 2500.0
_ROUNDING_ADU2 = 1 / 12


@dataclass(frozen=True)
class Camera:
    """A camera of 16 bits with Gaussian read noise."""

    gain_adu_per_e: float = 2.0
    offset_adu: float = 100.0
    read_noise_adu: float = 3.0

    def observe(self, photons_yx: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.uint16]:
        noise_adu = rng.normal(0, self.read_noise_adu, photons_yx.shape)
        recorded = self.gain_adu_per_e * rng.poisson(photons_yx) + self.offset_adu + noise_adu
        return np.rint(recorded).clip(0, 65535).astype(np.uint16)

    @property
    def noise_model(self) -> GmmParameters:
        """Return one Gaussian of its true variance at each signal."""
        dark_adu2 = self.read_noise_adu**2 + _ROUNDING_ADU2
        return GmmParameters(
            signal_min_adu=self.offset_adu,
            signal_max_adu=self.offset_adu + _SIGNALS_ADU,
            weights=[
                [0.0, 0.0],
                np.log([dark_adu2, self.gain_adu_per_e * _SIGNALS_ADU]).tolist(),
                [0.0, 0.0],
            ],
            variance_floor_adu2=_ROUNDING_ADU2,
        )


OF_MODEL = Camera()
CHANGED = {
    "of this detector": OF_MODEL,
    "gain 10 % higher": replace(OF_MODEL, gain_adu_per_e=2.2),
    "gain 10 % lower": replace(OF_MODEL, gain_adu_per_e=1.8),
    "gain 30 % higher": replace(OF_MODEL, gain_adu_per_e=2.6),
    "gain 4 times as high (another readout mode)": replace(OF_MODEL, gain_adu_per_e=8.0),
    "offset 10 ADU higher": replace(OF_MODEL, offset_adu=110.0),
    "offset 10 ADU lower": replace(OF_MODEL, offset_adu=90.0),
    "read noise doubled": replace(OF_MODEL, read_noise_adu=6.0),
}


@dataclass(frozen=True)
class Judged:
    """The verdict on the noise model for one image."""

    change: str
    size_px: int
    photons: int
    verdict: Verdict


def measure(
    changes: Sequence[str], size_px: int, seeds: int, photons: Sequence[int] = PHOTONS
) -> Iterator[Judged]:
    """Hold the noise model against images of each changed camera."""
    light = [light_yx for name, light_yx in specimens(size_px) if name in SPECIMENS]
    for change in changes:
        for most in photons:
            for number, light_yx in enumerate(light):
                for seed in range(seeds):
                    rng = np.random.default_rng([seed, most, number])
                    image_yx = CHANGED[change].observe(most * (_BACKGROUND + light_yx), rng)
                    fit = judge_fit(OF_MODEL.noise_model, survey_planes([image_yx]), "the noise model")
                    yield Judged(change, size_px, most, "ok" if fit is None else fit.verdict)


def measure_all() -> Iterator[Judged]:
    """Measure all changes with small images, and a change of gain with large ones."""
    yield from measure(tuple(CHANGED), SMALL_PX, SEEDS)
    for size_px in LARGE_PX:
        yield from measure(tuple(CHANGED)[:3], size_px, SEEDS_OF_LARGE)


def table(judged: Sequence[Judged]) -> Table:
    """Render how many images are refused + warned of, with the number of images."""
    rendered = Table("image", *(f"{each} photons" for each in PHOTONS), title="Refused + warned, of all")
    for size_px, change in dict.fromkeys((each.size_px, each.change) for each in judged):
        own = [each for each in judged if (each.size_px, each.change) == (size_px, change)]
        columns = [[each.verdict for each in own if each.photons == photons] for photons in PHOTONS]
        rendered.add_row(f"{change}, {size_px} px", *(_cell(column) for column in columns))
    return rendered


def _cell(verdicts: Sequence[Verdict]) -> str:
    return f"{verdicts.count('refuse')} + {verdicts.count('warning')} of {len(verdicts)}"
