"""The time that a job will take, from earlier jobs of other sizes."""

import pytest

from models_store.job_requests.expected_time import ExpectedTime, time_from
from models_store.repositories.jobs.durations import PastJob


def test_without_a_job_of_a_like_size_nothing_is_said() -> None:
    assert time_from([], 100) is None
    assert time_from([PastJob(pixels=401, seconds=9.0), PastJob(pixels=24, seconds=9.0)], 100) is None


@pytest.mark.parametrize(("pixels", "shortest_s", "longest_s"), [(100, 8, 8), (400, 8, 32), (25, 2, 8)])
def test_time_lies_between_that_of_training_and_that_of_prediction(
    pixels: int, shortest_s: float, longest_s: float
) -> None:
    expected = ExpectedTime(shortest_s=shortest_s, longest_s=longest_s, jobs=1)
    assert time_from([PastJob(pixels=100, seconds=8.0)], pixels) == expected


def test_the_last_jobs_count() -> None:
    past = [PastJob(100, 5.0)] * 9 + [PastJob(100, 7.0), PastJob(100, 500.0)]
    assert time_from(past, 100) == ExpectedTime(shortest_s=5, longest_s=7, jobs=10)
