"""`clearscope watch`: denoise what arrives in a folder."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console

from app.commands.options import (
    DEFAULT_SERVER,
    KeyOption,
    PresetOption,
    SeedOption,
    SeveralSeriesOption,
)
from clearscope_client import AsyncClearScope, Conduct, Outage, Retries
from clearscope_client.hot_folder import HotFolder, Recipe, WhenDone, is_zarr
from models_store.contracts.vocabulary import DEFAULT_PRESET, OutputFormat, Reuse
from models_store.errors import InvalidRequestError
from models_store.whole_files import require_writable_folder

watch_command = typer.Typer()

# Acquisitions go on overnight, and so must this.
_FOR_EVER = Retries(outage_s=math.inf, first_contact_s=math.inf, longest_pause_s=30.0, poll_s=2.0)


@watch_command.command()
def watch(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            file_okay=False,
            help="Folder in which images arrive; one that is not there yet is waited for.",
        ),
    ],
    output: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for results, error files and the journal.")
    ],
    microscope: Annotated[str, typer.Option(help="Microscope of the images; made if new (scope admin).")],
    profile: Annotated[str | None, typer.Option(help="Acquisition profile of the microscope.")] = None,
    preset: PresetOption = DEFAULT_PRESET,
    reuse: Annotated[
        Reuse, typer.Option(help="Models of this microscope that the server may reuse.")
    ] = Reuse.CALIBRATION,
    series: SeveralSeriesOption = None,
    file_format: Annotated[
        OutputFormat, typer.Option("--format", help="File format of the results.")
    ] = OutputFormat.SAME,
    seed: SeedOption = 0,
    done: Annotated[
        WhenDone,
        typer.Option(help="Leave sources where they are, or move them into the folder `done` beside them."),
    ] = "keep",
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive",
            help="Look into sub-folders, and write results into folders of the same names. OME-Zarr and "
            "NDTiff folders are one image each. Without it, every sub-folder is one image.",
        ),
    ] = False,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds for which a file must not change to count as complete.")
    ] = 5.0,
    set_timeout: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds after which a loose set that lacks files is told in its error file."
        ),
    ] = 600.0,
    poll: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the folder.")] = 2.0,
    in_flight: Annotated[int, typer.Option(min=1, help="Most images at the server at a time.")] = 4,
    once: Annotated[bool, typer.Option("--once", help="End when all that is there is dealt with.")] = False,
    server: Annotated[
        str, typer.Option("--server", "--url", envvar="CLEARSCOPE_SERVER", help="URL of the server.")
    ] = DEFAULT_SERVER,
    key: KeyOption = None,
) -> None:
    """Denoise the images that arrive in a folder, each once; end with Ctrl-C, start again at any time."""
    if output.resolve() == folder.resolve():
        raise InvalidRequestError(
            "--output is the watched folder, where results would be taken for images; use "
            f"{folder / 'denoised'}"
        )
    if once and not folder.is_dir():
        raise InvalidRequestError(f"there is no folder {folder}")
    if is_zarr(folder):
        raise InvalidRequestError(f"{folder} is one Zarr image itself; watch the folder that it lies in")
    require_writable_folder(output)
    console = Console()

    def tell(line: str) -> None:
        console.print(_printable(line), highlight=False, markup=False, soft_wrap=True)

    spec = {"preset": preset, "reuse": reuse, "output_format": file_format, "seed": seed}
    recipe = Recipe(microscope, profile, {**spec, **({"series": series} if series else {})})

    async def run() -> None:
        conduct = Conduct(server, _FOR_EVER, on_outage=_OnceAnOutage(tell))
        async with AsyncClearScope(server, key, conduct=conduct) as client:
            await client.ensure_microscope(microscope)
            tell(f"watching {folder}; results go to {output}")
            await HotFolder(
                folder,
                output,
                client,
                recipe,
                when_done=done,
                recursive=recursive,
                settle_s=settle,
                set_timeout_s=set_timeout,
                poll_s=poll,
                in_flight=in_flight,
                tell=tell,
            ).watch(once=once)

    try:
        anyio.run(run)
    except KeyboardInterrupt:
        tell("stopped; jobs at the server go on, and their results come at the next start")


def _printable(line: str) -> str:
    """Return a line in which names of files command no terminal."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in line)


class _OnceAnOutage:
    """Tells the beginning and the end of an outage, not each attempt in it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lasts = False

    def __call__(self, outage: Outage) -> None:
        ended = outage.pause_s is None
        if ended == self._lasts:
            self._tell(outage.reason if ended else f"{outage.reason}; waiting for it")
        self._lasts = not ended
