"""The clearscope command."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from app.commands.calibration import calibration_commands
from app.commands.client import Client, Document
from app.commands.evaluate import evaluate_command
from app.commands.extras import needing
from app.commands.facility import worker_commands
from app.commands.keys import keys, require_keys
from app.commands.networks import network_commands
from app.commands.options import DEFAULT_SERVER, KeyOption, ServerOption
from app.commands.progress import show_job, stage_bars
from app.commands.reproduce import reproduce_commands
from app.commands.training_options import StructuredMaskOption
from app.serving.gc_tuning import spare_what_stays
from models_store.contracts.vocabulary import DEFAULT_PRESET, NoiseModelKind, OutputDtype, Preset, Reuse
from models_store.errors import ClearScopeError
from models_store.settings import Settings
from models_store.telemetry.logs import set_up_logging

if TYPE_CHECKING:
    from fastapi import FastAPI

cli = typer.Typer(
    name="clearscope",
    help="Take the noise out of microscope images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

cli.add_typer(keys)
cli.add_typer(calibration_commands)
cli.add_typer(evaluate_command)
cli.add_typer(network_commands)
cli.add_typer(worker_commands)
cli.add_typer(reproduce_commands)

# So long may a request that is under way keep a stopped server alive.
GRACEFUL_SHUTDOWN_S = 5
KEEP_ALIVE_S = 75

PresetOption = Annotated[Preset, typer.Option(help="Training budget.")]
NoiseModelKindOption = Annotated[NoiseModelKind, typer.Option(help="What is bootstrapped.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")]


def main() -> None:
    """Run the command; an error that the user can act on is one line."""
    try:
        cli()
    except ClearScopeError as error:
        Console(stderr=True).print(
            f"[bold red]Error:[/] {escape(error.detail)}", highlight=False, soft_wrap=True
        )
        sys.exit(1)


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where images, models and results are kept.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="How many processes answer; several need CLEARSCOPE_BROKER_URL.")
    ] = None,
) -> None:
    """Serve the API, with a worker inside: SQLite, a local folder, nothing else.

    Where CLEARSCOPE_BROKER_URL names a Redis, workers are elsewhere (`clearscope worker`).
    """
    settings = Settings.given(host=host, port=port, data_dir=data_dir, server_processes=processes)
    require_keys(settings)
    set_up_logging(settings)
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        # Ours say the same in the format that was asked for, and leave out the query.
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": GRACEFUL_SHUTDOWN_S,
        # Longer than a proxy keeps an idle connection: it would send into one that is being closed here.
        "timeout_keep_alive": KEEP_ALIVE_S,
    }
    with needing("embedded"):
        import uvicorn  # noqa: PLC0415  # the command line works where no server is installed

        if settings.server_processes > 1:
            from app.serving.processes import serve_in_processes  # noqa: PLC0415  # the same

            serve_in_processes(settings, **options)
            return
        app = _make_app(settings)
    spare_what_stays()
    uvicorn.run(app, **options)


@cli.command()
def submit(
    images: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="TIFF files.")],
    server: ServerOption = DEFAULT_SERVER,
    key: KeyOption = None,
    microscope: Annotated[str | None, typer.Option(help="Whose images these are; made if new.")] = None,
    profile: Annotated[str | None, typer.Option(help="Acquisition profile of the microscope.")] = None,
    preset: PresetOption = DEFAULT_PRESET,
    reuse: Annotated[
        Reuse, typer.Option(help="What the server may reuse of this microscope.")
    ] = Reuse.CALIBRATION,
    noise_model_kind: Annotated[
        NoiseModelKind | None,
        typer.Option(help="What is bootstrapped or reused; left out: what is active, or a gmm."),
    ] = None,
    structured_mask: StructuredMaskOption = (0, 0),
    dtype: Annotated[OutputDtype, typer.Option(help="Pixel type of the result.")] = OutputDtype.FLOAT32,
    seed: SeedOption = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result and download it.")] = False,
    output: Annotated[Path, typer.Option(file_okay=False, help="Where results are downloaded to.")] = Path(),
) -> None:
    """Upload images to a server and have them denoised together, as one job."""
    console = Console()
    with Client(server, key=key) as client:
        if microscope is not None:
            client.ensure_microscope(microscope)
        uploaded = [client.upload(path, microscope=microscope, profile=profile) for path in images]
        spec = {
            "kind": "denoise",
            "image_ids": [image["id"] for image in uploaded],
            "preset": preset,
            "reuse": reuse,
            "noise_model_kind": noise_model_kind,
            "structured_mask": dict(zip(("y_px", "x_px"), structured_mask, strict=True)),
            "output_dtype": dtype,
            "seed": seed,
        }
        job = client.submit(spec)
        console.print(f"job {job['id']}", highlight=False)
        if wait:
            _await_result(client, job, output, console)


def _await_result(client: Client, job: Document, output: Path, console: Console) -> None:
    with stage_bars(console) as show:
        job = client.wait(job["id"], show_job(show))
    for warning in job["result"]["values"].get("warnings", []):
        console.print(f"[yellow]warning[/] {escape(warning)}", highlight=False, soft_wrap=True)
    output.mkdir(parents=True, exist_ok=True)
    for artifact in job["result"]["artifacts"]:
        client.download(artifact["href"], output / artifact["name"])
        console.print(str(output / artifact["name"]), highlight=False, markup=False, soft_wrap=True)


@cli.command()
def denoise(
    source: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A TIFF file, one plane or a stack.")
    ],
    target: Annotated[Path, typer.Argument(dir_okay=False, help="Where the denoised image is written.")],
    preset: PresetOption = DEFAULT_PRESET,
    noise_model: Annotated[
        Path | None, typer.Option(help="Use this .npz or .npy instead of a bootstrapped one.")
    ] = None,
    noise_model_kind: NoiseModelKindOption = NoiseModelKind.GMM,
    save_noise_model: Annotated[
        Path | None, typer.Option(help="Write the noise model: a mixture as .npz, a histogram as .npy.")
    ] = None,
    structured_mask: StructuredMaskOption = (0, 0),
    report: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for a picture and a record.")
    ] = None,
    dtype: Annotated[OutputDtype, typer.Option(help="Pixel type of the result.")] = OutputDtype.FLOAT32,
    seed: SeedOption = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda:N; cuda or auto: the freest GPU.")] = "auto",
) -> None:
    """Denoise one file on this machine, without a server."""
    console = Console()

    def say(title: str, text: str) -> None:
        console.print(f"{title:<14}{text}", highlight=False, markup=False, soft_wrap=True)

    with needing("worker"):
        from app.commands.local import denoise_here  # noqa: PLC0415  # serve and submit work without it

        with stage_bars(console) as show:
            summary = denoise_here(
                source,
                target,
                preset=preset,
                structured_mask=structured_mask,
                device=device,
                seed=seed,
                dtype=dtype,
                noise_model=noise_model,
                noise_model_kind=noise_model_kind,
                save_noise_model=save_noise_model,
                report_folder=report,
                on_progress=show,
                on_warning=lambda text: say("warning", text),
            )
    for title, text in summary.lines():
        say(title, text)


def _make_app(settings: Settings) -> "FastAPI":
    if settings.broker_url:
        from app.serving.brokered import create_brokered_app  # noqa: PLC0415  # see serve

        return create_brokered_app(settings)
    from app.serving.embedded import create_embedded_app  # noqa: PLC0415  # see serve

    if find_spec("torch") is None:
        # Now, not when the first job imports it.
        raise ModuleNotFoundError("torch is missing", name="torch")
    return create_embedded_app(settings)
