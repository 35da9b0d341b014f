"""Progress bars, one per stage of a job."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress as bars_of_rich
from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn

from clearscope_client import Job, Progress, Stage
from models_store.contracts.progress import ShowStage

STAGE_TITLES = {
    "n2v": "N2V network",
    "care": "CARE network",
    "noise_model": "Noise model",
    "pn2v": "PN2V network",
    "distil": "Distillation",
    "distilled": "Distillation",
    "predict": "Prediction",
    "evaluate": "Scores",
    "pretrained": "Pretraining",
}


@contextmanager
def stage_bars(console: Console) -> Iterator[ShowStage]:
    """Yield a callback that shows a progress bar per stage; off a terminal, it prints a line every 10 %."""
    if not console.is_terminal:
        yield _lines(console)
        return
    bars: dict[str, TaskID] = {}
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=36),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[status]}", style="dim", markup=False),
    )
    with bars_of_rich.Progress(*columns, console=console) as progress:

        def show(stage: str, fraction: float, status: str) -> None:
            if stage not in bars:
                title = STAGE_TITLES.get(stage, stage)
                bars[stage] = progress.add_task(title, total=1.0, start=False, status=status)
            if fraction > 0 and not progress.tasks[bars[stage]].started:
                progress.start_task(bars[stage])
            progress.update(bars[stage], completed=fraction, status=status)

        yield show


def _lines(console: Console) -> ShowStage:
    shown: dict[str, int] = {}

    def show(stage: str, fraction: float, status: str) -> None:
        tenths = int(10 * fraction)
        if tenths > shown.get(stage, 0):
            shown[stage] = tenths
            console.print(
                f"{STAGE_TITLES.get(stage, stage)}: {10 * tenths} %, {status}", highlight=False, markup=False
            )

    return show


def show_job(show: ShowStage) -> Callable[[Progress], None]:
    """Return a callback that shows the stages of a server's job; those of all channels count as one."""

    def on_progress(told: Progress) -> None:
        if told.job is None:
            return
        by_name: dict[str, list[Stage | Job]] = defaultdict(list)
        for stage in told.job.stages or [told.job]:
            by_name[stage.stage].append(stage)
        for name, stages in by_name.items():
            current = next((stage for stage in stages if stage.progress < 1), stages[-1])
            show(name, sum(stage.progress for stage in stages) / len(stages), current.status)

    return on_progress
