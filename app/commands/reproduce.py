"""`clearscope reproduce`: measure the paper's tables and figures."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from app.commands.extras import require_extra
from app.commands.options import DeviceOption, PresetOption, SeedOption
from app.commands.progress import stage_bars
from models_store.contracts.vocabulary import Preset
from models_store.errors import InvalidRequestError

reproduce_commands = typer.Typer()


class Part(StrEnum):
    """Table or figure of the paper to reproduce."""

    TABLE1 = "table1"
    TABLE2 = "table2"
    TABLE3 = "table3"
    FIG3 = "fig3"
    FIG4 = "fig4"


@reproduce_commands.command(name="reproduce")
def reproduce_paper(  # one parameter per command-line option
    part: Annotated[Part, typer.Argument(help="Table or figure of the paper.")],
    data: Annotated[
        str,
        typer.Option(
            help="`simulated`, or a folder: the paper's unpacked downloads, one dataset (noisy, ground_truth "
            "and calibration), or several such folders."
        ),
    ],
    preset: PresetOption = Preset.FAST,
    repeats: Annotated[int, typer.Option(min=1, help="Number of independent training runs.")] = 1,
    seed: SeedOption = 0,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Use only the dataset of this name; may be repeated.")
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            envvar="CLEARSCOPE_TEST_DATA",
            file_okay=False,
            help="Folder of camera maps (scmos_maps) and clean images (miro) for simulations.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder for tables and figures; existing results are reused.")
    ] = Path("reproduction"),
    device: DeviceOption = "auto",
) -> None:
    """Measure a table or figure of Prakash et al. 2020 with all six methods on any dataset."""
    with require_extra("worker"):  # imported here: other commands work without the engine
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.engine.training.presets import PRESETS  # noqa: PLC0415
        from worker.processes.compile_cache import keep_compiled_programs  # noqa: PLC0415
        from worker.reproduction.run import Request, budget_of, reproduce  # noqa: PLC0415
    if not preset.trains:
        raise InvalidRequestError(
            f"--preset: {preset} trains no network; the paper's tables need trained ones"
        )
    keep_compiled_programs()
    request = Request(
        part=part.value,
        data=data,
        names=tuple(dataset or ()),
        measured=measured,
        output=output,
        budget=budget_of(PRESETS[preset], choose_device(device)),
        repeats=repeats,
        seed=seed,
    )
    console = Console()
    with stage_bars(console) as show:
        tables, written = reproduce(request, show)
    for table in tables:
        text = table.markdown()
        console.print(
            Markdown(text) if console.is_terminal else text, highlight=False, markup=False, soft_wrap=True
        )
    for path in written:
        console.print(f"written {path}", highlight=False, markup=False, soft_wrap=True)
