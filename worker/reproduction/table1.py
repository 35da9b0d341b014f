"""Table 1: all methods on all datasets."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from worker.reproduction import paper
from worker.reproduction.datasets import Dataset
from worker.reproduction.methods import MMSE, PRIOR_MEAN, RAW, Experiment, PaperMethod
from worker.reproduction.result_cache import MethodResult
from worker.reproduction.result_tables import Cell, Table, unscored

MakeExperiment = Callable[[Dataset, int], Experiment]
"""Takes a dataset and the index of the repeat."""


def measure_table1(datasets: Sequence[Dataset], repeats: int, experiment: MakeExperiment) -> Table:
    """Train and score all methods; one that is not applicable has an empty cell with the reason."""
    columns = {dataset.name: _measure(dataset, repeats, experiment) for dataset in datasets}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    rows = {
        name: {column: cells[name] for column, cells in columns.items() if name in cells} for name in names
    }
    notes = [f"{dataset.name}: {note}" for dataset in datasets for note in dataset.notes]
    order = [line for dataset in datasets for line in compare_order(dataset.name, columns[dataset.name])]
    return Table("Table 1", tuple(columns), rows, (*notes, *unscored(rows, tuple(columns)), *order))


def compare_order(name: str, cells: dict[str, Cell]) -> list[str]:
    """Return the measured PSNR difference of each pair of methods ranked by the paper."""
    lines = []
    for better, worse, least_db in paper.ORDER:
        upper, lower = cells[better].psnr_db, cells[worse].psnr_db
        if upper is not None and lower is not None:
            difference = upper.mean - lower.mean
            verdict = "as in the paper" if difference >= least_db else "not as in the paper"
            lines.append(f"{name}: {better} - {worse} = {difference:+.2f} dB, {verdict}")
    return lines


def _measure(dataset: Dataset, repeats: int, experiment: MakeExperiment) -> dict[str, Cell]:
    outcomes: list[MethodResult] = []
    for repeat in range(repeats):
        one = experiment(dataset, repeat)
        outcomes += [*one.baselines(), one.n2v_start(), *(one.run(method) for method in PaperMethod)]
    cells: dict[str, Cell] = {}
    by_row = {name: list(group) for name, group in groupby(sorted(outcomes, key=_row), key=_row)}
    for name in dict.fromkeys(map(_row, outcomes)):
        group = by_row[name]
        published = paper.TABLE_1.get(name) or (paper.RAW_DB if name == RAW else {})
        paper_db = published.get(dataset.paper_column or "")
        best = MMSE if any(MMSE in outcome.scores for outcome in group) else PRIOR_MEAN
        cells[name] = Cell.of(group, best, other_scale=dataset.other_scale, paper_db=paper_db)
        if best == MMSE:
            prior_mean = Cell.of(group, PRIOR_MEAN, other_scale=dataset.other_scale)
            # Its effort is included in the row of the MMSE estimate.
            cells[f"{name}, prior mean"] = replace(prior_mean, seconds=0.0, steps=0)
    return cells


def _row(outcome: MethodResult) -> str:
    return outcome.row
