"""`clearscope reproduce`: measure one table or figure and write its files."""

import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from models_store.contracts.progress import ShowStage
from models_store.errors import JobFailedError
from models_store.whole_files import require_writable_folder
from worker.engine.errors import EngineError
from worker.engine.training.presets import TrainingPreset
from worker.reproduction.ablations import measure_figure3, measure_table2, measure_table3
from worker.reproduction.datasets import Dataset
from worker.reproduction.layouts import chosen_datasets, find_datasets
from worker.reproduction.methods import Budget, Experiment
from worker.reproduction.panels import draw_ablations, draw_noise_models, noise_model_pairs
from worker.reproduction.result_tables import Table, write_tables
from worker.reproduction.table1 import measure_table1

Part = Literal["table1", "table2", "table3", "fig3", "fig4"]

_SCORED_IMAGES = {"fast": 4, "balanced": 10, "paper": 100}


@dataclass(frozen=True)
class Request:
    """Table or figure to reproduce, its data, budget and output folder."""

    part: Part
    data: str
    names: tuple[str, ...]
    """Names of datasets to use; by default all for Table 1 and the first for the others."""
    measured: Path | None
    """Camera maps and clean images for simulations."""
    output: Path
    budget: Budget
    repeats: int
    seed: int


def budget_of(preset: TrainingPreset, device: torch.device) -> Budget:
    """Return the budget of a preset, with a suitable number of scored images."""
    return Budget(preset, device, _SCORED_IMAGES[preset.name])


def reproduce(request: Request, show: ShowStage) -> tuple[list[Table], list[Path]]:
    """Train and score, and write tables and pictures to the output folder; results there are reused.

    Raises InvalidRequestError for unsuitable data or folders, and JobFailedError for errors of the engine.
    `show` may raise to stop; a later call resumes with the results finished so far.
    """
    require_writable_folder(request.output)
    found = find_datasets(request.data, measured=request.measured, seed=request.seed)
    datasets = chosen_datasets(found, list(request.names))

    def experiment(dataset: Dataset, repeat: int) -> Experiment:
        folder = request.output / "runs"
        return Experiment(dataset, request.budget, repeat=repeat, seed=request.seed, folder=folder, show=show)

    try:
        return _reproduce(request, datasets, experiment)
    except EngineError as error:
        raise JobFailedError(error.detail) from error


def _reproduce(
    request: Request, datasets: Sequence[Dataset], experiment: Callable[[Dataset, int], Experiment]
) -> tuple[list[Table], list[Path]]:
    request.output.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    match request.part:
        case "table1":
            tables = [measure_table1(datasets, request.repeats, experiment)]
        case "table2":
            tables = [measure_table2(datasets[0], request.repeats, experiment)]
        case "table3":
            tables = [measure_table3(datasets[0], request.repeats, experiment)]
        case "fig3":
            tables = [*measure_figure3(datasets[0], request.repeats, experiment)]
            pictures = [draw_ablations(request.output / "fig3.png", tables)]
        case "fig4":
            pairs = noise_model_pairs(experiment(datasets[0], 0))
            picture = draw_noise_models(request.output / "fig4.png", pairs, datasets[0].name)
            return [], [picture]
    circumstances = _circumstances(request)
    tables = [replace(table, circumstances=circumstances) for table in tables]
    return tables, [*write_tables(request.output, request.part, tables), *pictures]


def _circumstances(request: Request) -> dict[str, Any]:
    budget = request.budget
    return {
        "data": request.data,
        "preset": asdict(budget.preset),
        "repeats": request.repeats,
        "seed": request.seed,
        "device": str(budget.device),
        "threads": torch.get_num_threads(),
        "processor": platform.machine(),
        "torch": torch.__version__,
    }
