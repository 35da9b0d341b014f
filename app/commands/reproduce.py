"""`clearscope reproduce`: the paper's tables and figures, measured."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown

from app.commands.extras import needing
from app.commands.options import DeviceOption, PresetOption, SeedOption
from app.commands.progress import stage_bars
from models_store.contracts.vocabulary import Preset

reproduce_commands = typer.Typer()


class Part(StrEnum):
    """Of the paper."""

    TABLE1 = "table1"
    TABLE2 = "table2"
    TABLE3 = "table3"
    FIG3 = "fig3"
    FIG4 = "fig4"


@reproduce_commands.command(name="reproduce")
def reproduce_paper(  # one parameter for each of the command's
    part: Annotated[Part, typer.Argument(help="Table or figure of the paper.")],
    data: Annotated[
        str,
        typer.Option(
            help="`simulated`; or a folder with the paper's unpacked downloads, with noisy, ground_truth and "
            "calibration, or with folders of that kind."
        ),
    ],
    preset: PresetOption = Preset.FAST,
    repeats: Annotated[int, typer.Option(min=1, help="How often all is trained, each time anew.")] = 1,
    seed: SeedOption = 0,
    dataset: Annotated[
        list[str] | None, typer.Option(help="Take the dataset of this name; may be given more than once.")
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            envvar="CLEARSCOPE_TEST_DATA",
            file_okay=False,
            help="Folder with camera maps (scmos_maps) and clean images (miro) for simulations.",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder for tables and pictures; what is there is not computed again.")
    ] = Path("reproduction"),
    device: DeviceOption = "auto",
) -> None:
    """Measure a table or figure of Prakash et al. 2020, with all six methods, on any data."""
    with needing("worker"):  # other commands work without an engine
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.engine.training.presets import PRESETS  # noqa: PLC0415
        from worker.processes.compile_cache import keep_compiled_programs  # noqa: PLC0415
        from worker.reproduction.run import Request, budget_of, reproduce  # noqa: PLC0415
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
