"""Which noise models are refused or warned of: of the image's detector, and of others."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import gate
from models_store.contracts.noise_model_fit import NoiseModelFit, Verdict
from models_store.job_requests.detector_levels import DetectorLevels, other_levels
from models_store.job_requests.noise_model_fit import judge_fit
from models_store.survey.survey import survey_planes
from models_store.survey.values import Values
from worker.engine.simulation import simulate_specimen

_PHOTONS_YX = 300 * simulate_specimen((256, 256), seed=6) + 10


@pytest.fixture(scope="module")
def image_yx() -> NDArray[np.uint16]:
    return gate.OF_MODEL.observe(_PHOTONS_YX, np.random.default_rng(0))


def _fit(
    image_yx: NDArray[np.uint16],
    of_image: DetectorLevels | None = None,
    of_model: DetectorLevels | None = None,
    signals_adu: float = 1000,
) -> NoiseModelFit | None:
    survey = survey_planes([image_yx])
    parameters = gate.OF_MODEL.noise_model.model_copy(update={"signal_max_adu": 100 + signals_adu})
    slope = float(np.log(gate.OF_MODEL.gain_adu_per_e * signals_adu))
    parameters = parameters.model_copy(
        update={"weights": [[0.0, 0.0], [parameters.weights[1][0], slope], [0.0, 0.0]]}
    )
    levels = [of_image] if of_image is not None else []
    other = other_levels(parameters, of_model or DetectorLevels(), levels, survey.values)
    return judge_fit(parameters, survey, "the noise model", other)


@pytest.mark.parametrize(
    ("change", "size_px", "photons", "allowed"),
    [
        ("of this detector", 256, (5, 20, 300, 1000), {"ok"}),
        ("gain 4 times as high (another readout mode)", 256, (20, 300), {"refuse"}),
        ("offset 10 ADU higher", 256, (5,), {"refuse"}),
        ("offset 10 ADU lower", 256, (5,), {"refuse"}),
        ("read noise doubled", 256, (20,), {"refuse", "warning"}),
        ("gain 30 % higher", 256, (300,), {"warning"}),
    ],
)
def test_the_table_of_changed_detectors_holds(
    change: str, size_px: int, photons: tuple[int, ...], allowed: set[Verdict]
) -> None:
    judged = list(gate.measure((change,), size_px, 1, photons))
    assert len(judged) == len(gate.SPECIMENS) * len(photons)
    assert {each.verdict for each in judged} <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("change", ["gain 10 % higher", "gain 10 % lower"])
def test_ten_per_cent_of_gain_are_told_from_a_million_pixels(change: str) -> None:
    """But beside vesicles, a quarter of the images, which are so dark that the limit is wider."""
    verdicts = [each.verdict for each in gate.measure((change,), 1024, 1, (300, 1000))]
    assert set(verdicts) <= {"ok", "warning"}
    assert verdicts.count("warning") >= 0.75 * len(verdicts)


@pytest.mark.slow
def test_no_image_of_200_that_fit_is_refused() -> None:
    judged = list(gate.measure(("of this detector",), gate.SMALL_PX, gate.SEEDS))
    assert len(judged) == 200
    assert {each.verdict for each in judged} == {"ok"}


def test_saturated_pixels_are_warned_of(image_yx: NDArray[np.uint16]) -> None:
    level = int(np.quantile(image_yx, 0.98))
    fit = _fit(image_yx.clip(0, level), signals_adu=level - 100.0)
    assert fit is not None
    assert fit.verdict == "warning"
    assert fit.saturated_share == pytest.approx(0.02, abs=0.005)
    assert fit.told == (
        f"the noise model does not describe saturated pixels, which are {100 * fit.saturated_share:.2g} % of "
        "the images'; their signal is unknown"
    )


@pytest.mark.parametrize(
    ("of_image", "of_model", "told"),
    [
        (
            DetectorLevels(bit_depth=16),
            DetectorLevels(bit_depth=12),
            "is for images of 12 bit, not of 16 bit",
        ),
        (DetectorLevels(offset=110.0), DetectorLevels(offset=100.0), "is for an offset of 100, not of 110"),
    ],
)
def test_other_levels_warn_if_the_noise_is_explained_and_refuse_else(
    image_yx: NDArray[np.uint16], of_image: DetectorLevels, of_model: DetectorLevels, told: str
) -> None:
    explained = _fit(image_yx, of_image, of_model)
    assert explained is not None
    assert (explained.verdict, explained.told) == ("warning", f"the noise model {told}")
    of_other_gain = replace(gate.OF_MODEL, gain_adu_per_e=2.6).observe(_PHOTONS_YX, np.random.default_rng(0))
    other = _fit(of_other_gain, of_image, of_model)
    assert other is not None
    assert other.verdict == "refuse"
    assert other.told is not None
    assert other.told.endswith(told)
    without_noise = _fit(np.full((64, 64), 300, np.uint16), of_image, of_model)
    assert without_noise is not None
    assert without_noise.verdict == "refuse"


def test_equal_and_unknown_levels_are_no_difference(image_yx: NDArray[np.uint16]) -> None:
    for of_image, of_model in (
        (DetectorLevels(16, 100.0), DetectorLevels(16, 100.0)),
        (DetectorLevels(16, 100.0), DetectorLevels()),
        (DetectorLevels(), DetectorLevels(16, 100.0)),
    ):
        fit = _fit(image_yx, of_image, of_model)
        assert fit is not None
        assert (fit.verdict, fit.told) == ("ok", None)


def test_values_that_the_bit_depth_cannot_hold_are_told() -> None:
    parameters = gate.OF_MODEL.noise_model
    values = Values(min_adu=90, max_adu=5000, step_adu=1, highest=())
    assert other_levels(parameters, DetectorLevels(bit_depth=12), [], values) == (
        "is for images of 12 bit, up to 4095 ADU, and these have values up to 5000 ADU",
    )
    assert not other_levels(parameters, DetectorLevels(bit_depth=13), [], values)
    assert not other_levels(parameters, DetectorLevels(bit_depth=11), [], values)


def test_a_full_scale_below_the_signals_of_the_model_is_told(image_yx: NDArray[np.uint16]) -> None:
    level = int(np.quantile(image_yx, 0.9995))
    fit = _fit(image_yx.clip(0, level), signals_adu=60_000)
    assert fit is not None
    assert fit.verdict == "warning"
    assert fit.told is not None
    assert f"and the detector of the images ends at {level} ADU" in fit.told
