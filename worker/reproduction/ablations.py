"""Tables 2 and 3 and Figure 3: ablations of mixture size and of the calibration."""

from collections.abc import Callable, Mapping, Sequence

from models_store.errors import InvalidRequestError
from worker.engine.errors import NoiseFitError
from worker.engine.noise.models.kinds import AnyNoiseModel
from worker.reproduction import paper
from worker.reproduction.calibration_subsets import CalibrationSubset
from worker.reproduction.datasets import Dataset
from worker.reproduction.methods import COEFFICIENTS, COMPONENTS, MMSE, Experiment, PaperMethod
from worker.reproduction.result_cache import MethodResult
from worker.reproduction.result_tables import Cell, Table, unscored
from worker.reproduction.table1 import MakeExperiment

HISTOGRAM = "PN2V (histogram)"


def measure_table2(dataset: Dataset, repeats: int, experiment: MakeExperiment) -> Table:
    """Measure mixtures of K Gaussians and n coefficients, bootstrapped if there is no calibration."""
    rows: dict[str, dict[str, Cell]] = {}
    for components, coefficients in paper.TABLE_2:
        outcomes = [
            _mixture(experiment(dataset, repeat), components, coefficients, CalibrationSubset())
            for repeat in range(repeats)
        ]
        cell = _cell(dataset, outcomes, paper.TABLE_2[components, coefficients])
        rows.setdefault(f"{components} Gaussian{'s' * (components > 1)}", {})[f"n = {coefficients}"] = cell
    kind = "calibrated" if dataset.calibration else "bootstrapped"
    columns = ("n = 2", "n = 3")
    notes = (*dataset.notes, *unscored(rows, columns))
    return Table(f"Table 2: {kind} mixtures, {dataset.name}", columns, rows, notes)


def measure_table3(dataset: Dataset, repeats: int, experiment: MakeExperiment) -> Table:
    """Measure one and three Gaussians, n = 2, from calibrations of the lower part of the signals."""
    _require_calibration(dataset)
    rows: dict[str, dict[str, Cell]] = {}
    for components, published in paper.TABLE_3.items():
        for share, paper_db in zip(paper.SIGNAL_SHARES, published, strict=True):
            outcomes = [
                _mixture(experiment(dataset, repeat), components, COEFFICIENTS, CalibrationSubset(share))
                for repeat in range(repeats)
            ]
            row = rows.setdefault(f"{components} Gaussian{'s' * (components > 1)}", {})
            row[_percent(share)] = _cell(dataset, outcomes, paper_db)
    columns = tuple(map(_percent, paper.SIGNAL_SHARES))
    title = f"Table 3: lower part of the calibration's signals, {dataset.name}"
    return Table(title, columns, rows, (*dataset.notes, *unscored(rows, columns)))


def measure_figure3(dataset: Dataset, repeats: int, experiment: MakeExperiment) -> tuple[Table, Table]:
    """Measure histogram and mixture (a) from the lower part of the signals, (b) from a part of the pixels."""
    _require_calibration(dataset)
    parts: Mapping[str, Sequence[CalibrationSubset]] = {
        "a: lower part of the calibration's signals": [
            CalibrationSubset(share) for share in paper.SIGNAL_SHARES
        ],
        "b: random part of the calibration's pixels": [
            CalibrationSubset(pixel_share=share) for share in paper.PIXEL_SHARES
        ],
    }
    tables = []
    for title, subsets in parts.items():
        rows: dict[str, dict[str, Cell]] = {HISTOGRAM: {}, PaperMethod.PN2V_GMM: {}}
        for subset in subsets:
            column = _percent(min(subset.signal_share, subset.pixel_share))
            for name, train in ((HISTOGRAM, _histogram), (PaperMethod.PN2V_GMM, _default_mixture)):
                outcomes = [train(experiment(dataset, repeat), subset) for repeat in range(repeats)]
                rows[name][column] = _cell(dataset, outcomes, None)
        columns = tuple(rows[HISTOGRAM])
        notes = (*dataset.notes, *unscored(rows, columns), *_losses(rows, columns))
        tables.append(Table(f"Figure 3 {title}, {dataset.name}", columns, rows, notes))
    return tables[0], tables[1]


def _losses(rows: Mapping[str, Mapping[str, Cell]], columns: Sequence[str]) -> list[str]:
    """Return a note on the PSNR loss of each row from the whole calibration to its worst part."""
    found = []
    for name, row in rows.items():
        scores = [cell.psnr_db.mean for column in columns if (cell := row[column]).psnr_db]
        if len(scores) > 1:
            found.append(
                f"{name} loses {scores[0] - min(scores):.2f} dB from the whole calibration to the worst part"
            )
    return found


def _default_mixture(experiment: Experiment, subset: CalibrationSubset) -> MethodResult:
    return _mixture(experiment, COMPONENTS, COEFFICIENTS, subset)


def _mixture(
    experiment: Experiment, components: int, coefficients: int, subset: CalibrationSubset
) -> MethodResult:
    def make() -> AnyNoiseModel:
        if not experiment.dataset.calibration:
            return experiment.bootstrapped_gmm(components, coefficients)
        return experiment.calibrated_gmm(experiment.calibration_subset(subset), components, coefficients)

    default = (components, coefficients) == (COMPONENTS, COEFFICIENTS) and experiment.dataset.calibration
    row = PaperMethod.PN2V_GMM if default else f"{PaperMethod.PN2V_GMM} K={components} n={coefficients}"
    return _train(experiment, row, subset, make)


def _histogram(experiment: Experiment, subset: CalibrationSubset) -> MethodResult:
    def make() -> AnyNoiseModel:
        return experiment.calibration_subset(subset).histogram.model()

    return _train(experiment, PaperMethod.PN2V, subset, make)


def _train(
    experiment: Experiment, row: str, subset: CalibrationSubset, make: Callable[[], AnyNoiseModel]
) -> MethodResult:
    """Train PN2V; the whole calibration uses the row name of Table 1, so that its result is cached once."""
    parts = [f"signals {subset.signal_share:g}"] if subset.signal_share < 1 else []
    parts += [f"pixels {subset.pixel_share:g}"] if subset.pixel_share < 1 else []
    name = " ".join((row, *parts))
    try:
        return experiment.pn2v(name, make)
    except NoiseFitError as error:
        return MethodResult(experiment.dataset.name, experiment.repeat, name, {}, note=error.detail)


def _cell(dataset: Dataset, outcomes: Sequence[MethodResult], paper_db: float | None) -> Cell:
    published = paper_db if dataset.paper_column == "Convallaria" else None
    return Cell.of(outcomes, MMSE, other_scale=dataset.other_scale, paper_db=published)


def _require_calibration(dataset: Dataset) -> None:
    if not dataset.calibration:
        raise InvalidRequestError(
            f"{dataset.name} has no calibration, but this ablation needs one: {dataset.without_calibration}"
        )


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
