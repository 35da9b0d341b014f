"""Scoreboard of several methods, as JSON values and as a Markdown table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import chain
from statistics import fmean
from typing import Any

from worker.engine.scores.metrics import Scores, Summary

MEASURES = {
    "psnr_db": ("PSNR (dB)", 2),
    "affine_invariant_psnr_db": ("affine-invariant PSNR (dB)", 2),
    "ssim": ("SSIM", 4),
    "fitted_ssim": ("SSIM after the fit", 4),
}
"""Title of each score in a table, and its number of decimals."""

TRACES = "trace_snr_db"
_TRACES_TITLE, _TRACES_DECIMALS = "SNR of traces (dB)", 2

_LEGEND = (
    "Means over planes and runs, ± their standard error: over runs where there are several, else over "
    "planes. The fit is that of scale and offset to the ground truth, by least squares."
)
_LEGEND_OF_TRACES = (
    " Traces: the variance in time of the ground truth over that of the difference from it, over all pixels."
)


@dataclass(frozen=True)
class Row:
    """Scores of one method: for each run, the scores of all planes in the order of the ground truth.

    `traces` are the signal-to-noise ratios (dB) of each run's movies in time, if its images are movies.
    """

    name: str
    runs: Sequence[Sequence[Scores]]
    traces: Sequence[Sequence[float]] = ()

    def over_movies(self) -> Summary | None:
        """Summarise the means over the movies of each run; None without movies."""
        means = [fmean(run) for run in self.traces if run]
        return Summary.of(means) if means else None

    def over_runs(self, measure: str) -> Summary:
        """Summarise the means of the runs."""
        return Summary.of([fmean(_values(run, measure)) for run in self.runs])

    def over_planes(self, measure: str) -> Summary:
        """Summarise the means of the planes; if the runs have different planes, all plane scores."""
        runs = [_values(run, measure) for run in self.runs]
        if len({len(run) for run in runs}) > 1:
            return Summary.of(list(chain.from_iterable(runs)))
        return Summary.of([fmean(plane) for plane in zip(*runs, strict=True)])


def document(rows: Sequence[Row], *, each: bool = False) -> list[dict[str, Any]]:
    """Return JSON values; infinite scores, of images equal to their ground truth, are null.

    `each` adds the scores of every plane of every run.
    """
    return [_row_document(row) | ({"scores": _every_score(row)} if each else {}) for row in rows]


def table(rows: Sequence[Row]) -> str:
    """Return a Markdown table, aligned to be readable as plain text too."""
    movies = any(row.over_movies() for row in rows)
    titles = [*(title for title, _ in MEASURES.values()), *([_TRACES_TITLE] if movies else [])]
    cells = [["", *titles, "planes", "runs"]]
    cells += [
        [row.name, *_cells(row), *_trace_cells(row, movies=movies), str(_planes(row)), str(len(row.runs))]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [_line(line, widths) for line in cells]
    rule = _line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])], widths)
    return "\n".join([lines[0], rule, *lines[1:], "", _LEGEND + (_LEGEND_OF_TRACES if movies else ""), ""])


def _values(scores: Sequence[Scores], measure: str) -> list[float]:
    return [getattr(each, measure) for each in scores]


def _planes(row: Row) -> int:
    return max(len(run) for run in row.runs)


def _row_document(row: Row) -> dict[str, Any]:
    described: dict[str, Any] = {"name": row.name, "planes": _planes(row), "runs": len(row.runs)}
    for measure in (field.name for field in fields(Scores)):
        runs, planes = row.over_runs(measure), row.over_planes(measure)
        described[measure] = {
            "mean": _number(runs.mean),
            "standard_error_over_runs": _number(runs.standard_error),
            "standard_error_over_planes": _number(planes.standard_error),
        }
    if (traces := row.over_movies()) is not None:
        described[TRACES] = {
            "mean": _number(traces.mean),
            "standard_error_over_runs": _number(traces.standard_error),
        }
    return described


def _every_score(row: Row) -> list[list[dict[str, float | None]]]:
    return [
        [{measure: _number(value) for measure, value in asdict(plane).items()} for plane in run]
        for run in row.runs
    ]


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cells(row: Row) -> Iterator[str]:
    for measure, (_, decimals) in MEASURES.items():
        runs, planes = row.over_runs(measure), row.over_planes(measure)
        error = planes.standard_error if runs.standard_error is None else runs.standard_error
        spread = "" if error is None else f" ± {error:.{decimals}f}"
        yield f"{runs.mean:.{decimals}f}{spread}"


def _trace_cells(row: Row, *, movies: bool) -> list[str]:
    if not movies:
        return []
    traces = row.over_movies()
    if traces is None:
        return [""]
    error = traces.standard_error
    spread = "" if error is None else f" ± {error:.{_TRACES_DECIMALS}f}"
    return [f"{traces.mean:.{_TRACES_DECIMALS}f}{spread}"]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return f"| {' | '.join(padded)} |"
