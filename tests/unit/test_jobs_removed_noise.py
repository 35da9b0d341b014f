"""Jobs tell which planes do not fit, with figures whose size does not grow with the stack."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import Output
from models_store.survey.correlation import NeighbourCorrelation
from tests.support.job_contexts import context_of
from tests.support.tiny_training import NOISE, exposure, specimen
from worker.attempt.context import JobContext
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.engine.noise.measuring.noise_verdict import Expected
from worker.engine.noise.measuring.removed_noise import RemovedNoise, measure_removed_noise, variance_of
from worker.jobs.plane_denoiser import PlaneDenoiser, Prepared
from worker.jobs.removed_noise import Judge, with_verdict
from worker.judging.removed_noise import RemovedNoiseSummary
from worker.offline.memory_registry import MemoryRegistry
from worker.planes.observed_plane import ObservedPlane

INDEPENDENT = NeighbourCorrelation(y=0.0, x=0.0, error=0.01, error_y=0.01, error_x=0.01)
PLANES = 30
WRONG_PLANE = 3


@pytest.fixture
def context(tmp_path: Path) -> Iterator[JobContext]:
    blobs = MeasuredBlobs((tmp_path / "blobs").as_uri())
    with context_of(MemoryRegistry(), blobs) as context:
        yield context


def measured(plane: int, result_yx: np.ndarray) -> RemovedNoise:
    found = measure_removed_noise(exposure(seed=plane), result_yx, variance_of(NOISE))
    assert found is not None
    return found


def summary_of(planes: range, *, wrong: int = WRONG_PLANE) -> RemovedNoiseSummary:
    summary = RemovedNoiseSummary("the noise model")
    blurred_yx = gaussian_filter(specimen(), 6)
    for plane in planes:
        result_yx = blurred_yx if plane == wrong else specimen()
        summary.add("stack.tif", plane, measured(plane, result_yx), Expected())
    return summary


def test_the_one_wrong_plane_of_a_stack_is_named(context: JobContext) -> None:
    outcome = with_verdict(Outcome(), summary_of(range(1, PLANES + 1)), context)
    (warning,) = outcome.result["warnings"]
    assert warning.startswith("stack.tif, plane 3: structure was removed")
    context.warn.assert_called_once_with(warning)  # type: ignore[attr-defined]  # because it is a mock
    figures = outcome.result["removed_noise"]
    assert (figures["planes"], figures["planes_that_do_not_fit"]) == (PLANES, 1)
    assert figures["worst"][0]["plane"] == WRONG_PLANE
    assert [plane["verdict"] for plane in figures["worst"][1:]] == [None] * 9


def test_good_planes_bring_figures_without_a_warning(context: JobContext) -> None:
    outcome = with_verdict(Outcome(), summary_of(range(1, 4), wrong=0), context)
    assert "warnings" not in outcome.result
    assert outcome.result["removed_noise"]["means"]["variance"] == pytest.approx(1, abs=0.05)
    context.warn.assert_not_called()  # type: ignore[attr-defined]  # because it is a mock


def test_parts_add_up_to_the_whole_as_json() -> None:
    whole, merged = summary_of(range(1, PLANES + 1)), RemovedNoiseSummary()
    for part in (range(1, 11), range(11, PLANES + 1)):
        figures = summary_of(part).figures()
        read_again = json.loads(json.dumps(figures, allow_nan=False))
        assert read_again == figures
        merged.merge(read_again)
    assert merged.warnings() == whole.warnings()
    assert merged.figures()["means"] == pytest.approx(whole.figures()["means"])
    assert merged.figures()["planes"] == PLANES
    assert merged.judged_by == whole.judged_by


def test_several_wrong_planes_make_one_sentence() -> None:
    summary = RemovedNoiseSummary("the noise model")
    for plane, shift_adu in ((1, 5.0), (2, 20.0), (3, 0.0)):
        summary.add("stack.tif", plane, measured(plane, specimen() - shift_adu), Expected())
    (warning,) = summary.warnings()
    assert warning.startswith("2 of 3 planes may be wrong, most of all stack.tif, plane 2: the result is")


@pytest.mark.parametrize(("method", "fits"), [("care", True), ("n2v", False)])
def test_care_may_have_another_scale(method: str, *, fits: bool) -> None:
    prepared = Prepared(_Network(method))  # type: ignore[arg-type]  # because only its method matters
    judge = Judge.of(prepared, INDEPENDENT, zip(iter(lambda: "a.tif", ""), count(1), strict=False))
    halved = _fixed(specimen() / 2)
    judge.watching(halved).denoise(ObservedPlane.of(exposure()))
    assert (judge.summary.planes_that_do_not_fit == 0) is fits
    erasing = _fixed(_erased())
    judge.watching(erasing).denoise(ObservedPlane.of(exposure()))
    assert judge.summary.planes_that_do_not_fit == (1 if fits else 2)
    assert judge.summary.worst[0]["image"] == "a.tif"


def _fixed(result_yx: np.ndarray) -> PlaneDenoiser:
    """Return a denoiser whose result is always the same."""
    estimates = {Output.DENOISED: result_yx}
    return PlaneDenoiser((Output.DENOISED,), lambda _: estimates, keep_outliers=False, keeps_mean=False)


def test_results_that_are_no_numbers_are_told() -> None:
    prepared = Prepared(_Network("n2v"))  # type: ignore[arg-type]  # because only its method matters
    judge = Judge.of(prepared, INDEPENDENT, zip(iter(lambda: "a.tif", ""), count(1), strict=False))
    judge.watching(_fixed(np.full((96, 96), np.nan, np.float32))).denoise(ObservedPlane.of(exposure()))
    (warning,) = judge.summary.warnings()
    assert warning.startswith("9216 pixels of the result are NaN")


class _Network:
    def __init__(self, method: str) -> None:
        self.method = method


def _erased() -> np.ndarray:
    spoilt_yx = specimen() / 2
    spoilt_yx[:48] = 75
    return spoilt_yx
