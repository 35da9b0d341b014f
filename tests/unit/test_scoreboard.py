"""Summaries of scores over planes and runs, and their tables."""

import math

import pytest

from worker.engine.scores.metrics import Scores
from worker.engine.scores.scoreboard import Row, document, table


def scores(*psnr_db: float) -> list[Scores]:
    return [Scores(value, value + 1, 0.5, 0.6) for value in psnr_db]


def test_runs_and_planes_have_separate_standard_errors() -> None:
    (row,) = document([Row("Boot. GMM", [scores(30, 34), scores(32, 36)])])
    assert (row["name"], row["planes"], row["runs"]) == ("Boot. GMM", 2, 2)
    # The means of runs are 32 and 34, of planes 31 and 35.
    assert row["psnr_db"] == {
        "mean": 33.0,
        "standard_error_over_runs": pytest.approx(1.0),
        "standard_error_over_planes": pytest.approx(2.0),
    }
    assert row["affine_invariant_psnr_db"]["mean"] == 34.0
    assert row["ssim"]["mean"] == 0.5


def test_a_single_score_has_no_standard_error_and_an_infinite_one_is_null() -> None:
    single, perfect = document([Row("one", [scores(30)]), Row("truth", [scores(math.inf, 30)])], each=True)
    assert single["psnr_db"] == {
        "mean": 30.0,
        "standard_error_over_runs": None,
        "standard_error_over_planes": None,
    }
    assert perfect["psnr_db"]["mean"] is None
    assert [each["psnr_db"] for each in perfect["scores"][0]] == [None, 30]


def test_runs_over_different_planes_are_pooled() -> None:
    (row,) = document([Row("stacks", [scores(30), scores(31, 33)])])
    assert row["psnr_db"]["mean"] == 31.0
    assert row["psnr_db"]["standard_error_over_planes"] == pytest.approx(math.sqrt(7 / 3 / 3))


def test_the_table_is_written_as_markdown_and_as_text() -> None:
    text = table([Row("CARE", [scores(30, 34), scores(32, 36)]), Row("noisy", [scores(20)])])
    head, rule, care, noisy, *_ = text.splitlines()
    assert len({len(line) for line in (head, rule, care, noisy)}) == 1
    assert [cell.strip() for cell in care.strip("|").split("|")][:2] == ["CARE", "33.00 ± 1.00"]
    assert [cell.strip() for cell in noisy.strip("|").split("|")][:2] == ["noisy", "20.00"]
    assert set(rule) == set("| -:")
