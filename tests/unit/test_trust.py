"""One sentence tells whether to trust a result, and why."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.survey.correlation import NeighbourCorrelation
from tests.support.tiny_training import NOISE, exposure, specimen
from worker.engine.noise.measuring.noise_verdict import Expected
from worker.engine.noise.measuring.removed_noise import measure_removed_noise, variance_of
from worker.judging.removed_noise import RemovedNoiseSummary
from worker.judging.result_figures import ResultFigures
from worker.judging.trust import Evidence, judgements
from worker.judging.trust_report import JudgedChannel, trust_in, trust_report
from worker.planes.observed_plane import ObservedPlane

INDEPENDENT = NeighbourCorrelation(y=0.0, x=0.0, error=0.01, error_y=0.01, error_x=0.01)


def evidence_of(*results: np.ndarray, observed: np.ndarray | None = None) -> Evidence:
    """Return the evidence on a stack of these results (Y, X) of the same specimen."""
    removed, figures = RemovedNoiseSummary("the noise model", by_model=True), ResultFigures()
    for number, result_yx in enumerate(results, start=1):
        plane = ObservedPlane.of(exposure(seed=number) if observed is None else observed)
        found = None
        if not plane.defects.empty:
            found = measure_removed_noise(plane.input_yx, result_yx, variance_of(NOISE))
        removed.add("stack.tif", number, found, Expected())
        figures.add(plane, found, (0, 0), np.ones_like(result_yx))
    return Evidence(removed, figures)


def told(evidence: Evidence) -> tuple[str, str]:
    trust = judgements(evidence)[0].told()
    return trust.verdict, trust.sentence


def test_a_good_result_is_trusted_with_figures() -> None:
    verdict, sentence = told(evidence_of(specimen(), specimen()))
    assert verdict == "trust"
    assert sentence.startswith("Trust this result: what was removed from each of its 2 planes is noise")
    assert "with a slope of 1.0" in sentence


def test_pixels_that_are_estimates_are_named_also_where_they_are_few() -> None:
    evidence = evidence_of(specimen())
    figures = replace(evidence.figures, outlier_px=evidence.figures.pixels // 200)
    verdict, sentence = told(replace(evidence, figures=figures))
    assert verdict == "trust"
    assert sentence.endswith("; 0.5 % of its pixels are estimates from their neighbours.")


def test_an_image_whose_lowest_values_are_cut_off_is_to_be_checked() -> None:
    verdict, sentence = told(replace(evidence_of(specimen()), cut_off_share=0.5))
    assert verdict == "check"
    assert "50 % of the image's pixels have its lowest value in place of lower ones" in sentence
    assert told(replace(evidence_of(specimen()), cut_off_share=0.005))[0] == "trust"


def test_the_result_of_an_image_with_swapped_bytes_is_not_to_be_trusted() -> None:
    verdict, sentence = told(replace(evidence_of(specimen()), swapped_bytes=True))
    assert verdict == "do_not_trust"
    assert "bytes of each pixel of the image look swapped" in sentence


def test_planes_of_other_light_are_named_where_several_planes_may_be_wrong() -> None:
    evidence = evidence_of(gaussian_filter(specimen(), 3), gaussian_filter(specimen(), 4))
    other_light = "1 of 2 planes looked at has 1000 times the light of those beside them (plane 2)"
    sentence = told(replace(evidence, other_light=other_light))[1]
    assert f"; {other_light}, and one noise model is made of all planes" in sentence
    assert "one noise model is made of all planes" not in told(evidence)[1]


def test_only_planes_with_data_are_said_to_be_noise_free() -> None:
    evidence = evidence_of(specimen(), specimen())
    evidence.removed.add("stack.tif", 3, None, Expected())
    assert "from each of its 2 planes with data is noise" in told(evidence)[1]


def test_an_image_of_few_values_is_to_be_checked() -> None:
    verdict, sentence = told(replace(evidence_of(specimen()), few_levels=5))
    assert verdict == "check"
    assert "have only 5 different values, too few to tell noise from signal" in sentence


def test_a_spoilt_result_is_not_trusted() -> None:
    verdict, sentence = told(evidence_of(gaussian_filter(specimen(), 6)))
    assert verdict == "do_not_trust"
    assert sentence.startswith("Do not trust this result: structure was removed, not only noise")
    assert sentence.count(";") == 0


def test_one_wrong_plane_of_a_stack_is_named() -> None:
    good = specimen()
    verdict, sentence = told(evidence_of(good, good, gaussian_filter(good, 6), good))
    assert verdict == "check"
    assert "measure on it: stack.tif, plane 3: structure was removed" in sentence
    _, sentence = told(evidence_of(good, good / 2, gaussian_filter(good, 6)))
    assert "2 of 3 planes may be wrong, most of all stack.tif, plane 2" in sentence


FITS = NoiseModelFit(
    verdict="refuse", variance_ratio=2.0, ratio_error=0.1, outside_share=0.0, told="too wide"
)


@pytest.mark.parametrize(
    ("known", "verdict", "reason"),
    [
        ({"fit": FITS}, "do_not_trust", "too wide"),
        ({"fit": FITS.model_copy(update={"verdict": "warning"})}, "check", "too wide"),
        ({"fit": FITS.model_copy(update={"told": None})}, "trust", "is noise"),
        ({"correlated": "the noise is correlated along x"}, "check", "correlated along x"),
        ({"saturated_share": 0.02}, "check", "2 % of the image's pixels are saturated"),
        ({"own_scale": True}, "check", "scale of a ground truth"),
    ],
)
def test_what_is_known_besides_decides_too(known: dict[str, object], verdict: str, reason: str) -> None:
    evidence = replace(evidence_of(specimen()), **known)  # type: ignore[arg-type]  # named by each case
    found, sentence = told(evidence)
    assert found == verdict
    assert reason in sentence


def test_signals_that_the_noise_model_does_not_know_are_told_of_calibrated_ones() -> None:
    evidence = evidence_of(specimen())
    evidence.figures.above_px = evidence.figures.pixels // 20
    assert told(evidence)[0] == "trust"
    verdict, sentence = told(replace(evidence, bootstrapped=False))
    assert verdict == "check"
    assert "5 % of its pixels have signals that the noise model was not made for" in sentence


def test_many_hot_pixels_are_told() -> None:
    observed = exposure(seed=1)
    observed[::7, ::7] = 60_000
    evidence = evidence_of(specimen(), observed=observed)
    assert evidence.figures.outlier_px == (observed == 60_000).sum()
    verdict, sentence = told(evidence)
    assert verdict == "check"
    assert "of its pixels are estimates from their neighbours" in sentence


def test_planes_without_noise_or_data_are_told() -> None:
    empty = np.zeros_like(specimen())
    verdict, sentence = told(evidence_of(empty, observed=empty))
    assert verdict == "check"
    assert "every plane is empty" in sentence
    small = exposure(seed=1)[:20, :20]
    verdict, sentence = told(evidence_of(specimen()[:20, :20], observed=small))
    assert verdict == "check"
    assert "could not be judged" in sentence


def test_pixels_that_only_the_result_lacks_are_told_first() -> None:
    evidence = evidence_of(gaussian_filter(specimen(), 6))
    evidence.removed.not_finite_px = 7
    verdict, sentence = told(evidence)
    assert verdict == "do_not_trust"
    assert "7 of its pixels are NaN or infinite" in sentence


def _channel(number: int, evidence: Evidence) -> JudgedChannel:
    return JudgedChannel(
        number, f"channel {number + 1} of 2", evidence, INDEPENDENT, {"estimate": "mmse"}, None
    )


def test_the_channel_that_is_trusted_least_is_told() -> None:
    channels = [
        _channel(0, evidence_of(specimen())),
        _channel(1, evidence_of(gaussian_filter(specimen(), 6))),
    ]
    trust = trust_in(channels)
    assert trust.verdict == "do_not_trust"
    assert trust.sentence.startswith("Do not trust this result: channel 2 of 2: structure was removed")
    document = trust_report(channels, ["a warning"])
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert [each["verdict"] for each in document["channels"]] == ["trust", "do_not_trust"]
    assert document["channels"][0]["pixels"]["pixels"] == specimen().size
    assert trust_in([]).verdict == "check"


def test_parts_of_a_job_tell_what_the_whole_does() -> None:
    whole, first, second = (ResultFigures() for _ in range(3))
    for number in range(4):
        plane = ObservedPlane.of(exposure(seed=number))
        found = measure_removed_noise(plane.input_yx, specimen(), variance_of(NOISE))
        std_yx = np.full_like(specimen(), number)
        for figures in (whole, first if number < 1 else second):
            figures.add(plane, found, (number, 2), std_yx)
    merged = ResultFigures()
    for part in (first, second):
        merged.merge(json.loads(json.dumps(part.record())))
    assert merged.counts() == whole.counts()
    assert merged.mean_std_adu == pytest.approx(1.5)
    assert merged.rms_std_adu == pytest.approx(np.sqrt(3.5))
