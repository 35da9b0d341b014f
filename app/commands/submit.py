"""`clearscope submit`: upload images to a server and post a job."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from app.commands.options import (
    DEFAULT_SERVER,
    CompressionOption,
    DtypeOption,
    KeepHotPixelsOption,
    KeyOption,
    PresetOption,
    PriorOption,
    SeedOption,
    ServerOption,
    SettingsOption,
    SeveralSeriesOption,
    StructuredMaskOption,
    TiledOption,
    for_channels,
    settings_of,
)
from app.commands.progress import show_job, stage_bars
from app.commands.result_lines import result_lines
from app.commands.server_client import connected, upload
from clearscope_client import ClearScope, Job
from clearscope_client.denoising import file_names
from models_store.contracts.vocabulary import (
    DEFAULT_PRESET,
    NoiseModelKind,
    OutputDtype,
    OutputFormat,
    Reuse,
    TiffCompression,
)
from models_store.whole_files import require_writable_folder

submit_command = typer.Typer()


@submit_command.command()
def submit(
    images: Annotated[
        list[Path], typer.Argument(exists=True, help="Image files; folders or ZIP archives of sets.")
    ],
    server: ServerOption = DEFAULT_SERVER,
    key: KeyOption = None,
    microscope: Annotated[
        str | None, typer.Option(help="Microscope of the images; made if new (scope admin).")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Acquisition profile of the microscope.")] = None,
    settings: SettingsOption = None,
    series: SeveralSeriesOption = None,
    channel: Annotated[
        int | None,
        typer.Option(min=0, help="Denoise this channel alone, an index from 0; the others are copied."),
    ] = None,
    preset: PresetOption = DEFAULT_PRESET,
    prior: PriorOption = None,
    pretrained: Annotated[
        str | None,
        typer.Option(help="Id of an imported network to use instead of the microscope's own, or packaged."),
    ] = None,
    pretrained_stack: Annotated[
        str | None,
        typer.Option(help="The same of the network that sees planes with their neighbours."),
    ] = None,
    reuse: Annotated[
        Reuse, typer.Option(help="Models of this microscope that the server may reuse.")
    ] = Reuse.CALIBRATION,
    noise_model: Annotated[
        list[str] | None,
        typer.Option(
            help="Use this noise model of the server, given by its id: named once, for all channels; else "
            "once for each, in their order, and `none` for one to bootstrap or reuse."
        ),
    ] = None,
    noise_model_at: Annotated[
        str | None,
        typer.Option(help="Use the noise model that was active at this time, such as 2026-03-01T12:00:00Z."),
    ] = None,
    noise_model_kind: Annotated[
        NoiseModelKind | None,
        typer.Option(
            help="Kind of noise model to bootstrap or reuse. Default: that of the active one, or gmm."
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Use the noise model even if it does not explain the images' noise."),
    ] = False,
    structured_mask: StructuredMaskOption = (0, 0),
    dtype: DtypeOption = OutputDtype.FLOAT32,
    file_format: Annotated[
        OutputFormat,
        typer.Option("--format", help="File format of the results; same: that of each image."),
    ] = OutputFormat.SAME,
    compression: CompressionOption = TiffCompression.NONE,
    tiled: TiledOption = False,
    keep_hot_pixels: KeepHotPixelsOption = False,
    seed: SeedOption = 0,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result and download it.")] = False,
    output: Annotated[Path, typer.Option(file_okay=False, help="Folder for downloaded results.")] = Path(),
) -> None:
    """Upload images to a server and denoise them together in one job."""
    console, told = Console(), settings_of(settings)
    if wait:
        require_writable_folder(output)
    with connected(server, key) as client:
        if microscope is not None:
            client.ensure_microscope(microscope)
        uploaded = [
            upload(client, path, microscope=microscope, profile=profile, settings=told) for path in images
        ]
        for image in uploaded:
            if image.profile_choice == "settings" and image.origin:
                chosen = f"profile {image.origin.profile}, by the settings in {image.filename}"
                console.print(chosen, highlight=False, markup=False, soft_wrap=True)
            _print_warnings([f"{image.filename}: {text}" for text in image.warnings], console)
        spec = {
            "kind": "denoise",
            "image_ids": [image.id for image in uploaded],
            **({"series": series} if series else {}),
            **({} if channel is None else {"channel": channel}),
            "preset": preset,
            **({} if prior is None else {"prior": prior}),
            **({} if pretrained is None else {"pretrained": pretrained}),
            **({} if pretrained_stack is None else {"pretrained_stack": pretrained_stack}),
            "reuse": reuse,
            "noise_model": for_channels(noise_model),
            **({} if noise_model_at is None else {"noise_model_at": noise_model_at}),
            "noise_model_kind": noise_model_kind,
            "structured_mask": dict(zip(("y_px", "x_px"), structured_mask, strict=True)),
            "output_dtype": dtype,
            "output_format": file_format,
            "output_compression": compression,
            "output_tiled": tiled,
            "keep_hot_pixels": keep_hot_pixels,
            "force": force,
            "seed": seed,
        }
        job = client.submit(spec)
        console.print(f"job {job.id}", highlight=False)
        if wait:
            _await_result(client, job, output, console)


def _await_result(client: ClearScope, job: Job, output: Path, console: Console) -> None:
    with stage_bars(console) as show:
        job = client.wait(job.id, on_progress=show_job(show))
    if job.result is None:
        return
    _print_warnings(job.result.warnings, console)
    for title, text in result_lines(job, client.noise_model):
        console.print(f"{title:<14}{text}", highlight=False, markup=False, soft_wrap=True)
    artifacts = job.result.artifacts
    for artifact, name in zip(artifacts, file_names(artifacts), strict=True):
        # The folder may have what describes the results of other jobs.
        target = output / (name if artifact.image_id is not None else f"{job.id}-{name}")
        client.save(artifact, target)
        console.print(str(target), highlight=False, markup=False, soft_wrap=True)


def _print_warnings(warnings: Iterable[str], console: Console) -> None:
    for warning in warnings:
        console.print(f"[yellow]warning[/] {escape(warning)}", highlight=False, soft_wrap=True)
