"""`clearscope fit-noise-model` and `clearscope calibrate`: fit noise models to calibration frames."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import require_extra
from app.commands.options import (
    DEFAULT_SERVER,
    KeyOption,
    SeedOption,
    SeriesOption,
    ServerOption,
    SettingsOption,
    settings_of,
)
from app.commands.progress import show_job, stage_bars
from app.commands.server_client import connected, upload
from models_store.contracts.vocabulary import NoiseModelKind

calibration_commands = typer.Typer()

FramesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FRAMES...",
        exists=True,
        help="Stacks, one static scene each, as files or folders of image sets; all single-frame files "
        "together form one more scene.",
    ),
]
ImagesOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--image",
        exists=True,
        help="Image to be denoised later, a file or a folder of an image set: sets the range of a histogram "
        "and is checked for coverage.",
    ),
]


@calibration_commands.command()
def fit_noise_model(
    frames: FramesArgument,
    output: Annotated[
        Path, typer.Option(dir_okay=False, help="Output file: .npz for a mixture, .npy for a histogram.")
    ],
    image: ImagesOption = None,
    series: SeriesOption = None,
    seed: SeedOption = 0,
    as_json: Annotated[  # a command-line flag
        bool, typer.Option("--json", help="Print the summary as JSON.")
    ] = False,
) -> None:
    """Check calibration frames and fit a noise model to them on this machine, without a server.

    Calibration frames are at least 20 frames of one static scene, preferably out of focus, that span the
    intensity range of the images.
    """
    with require_extra("worker"):
        # Imported here: other commands work without the engine.
        from worker.offline.calibration import fit_noise_model_to_files  # noqa: PLC0415
    with stage_bars(Console(stderr=True)) as show:
        summary = fit_noise_model_to_files(
            frames, output, images=image or [], seed=seed, series=series, on_progress=show
        )
    if as_json:
        typer.echo(json.dumps(summary.record(), indent=2))
        return
    _print(summary.lines())


@calibration_commands.command()
def calibrate(
    frames: FramesArgument,
    microscope: Annotated[
        str, typer.Option(help="Microscope that recorded the frames; made if new (scope admin).")
    ],
    profile: Annotated[
        str | None, typer.Option(help="Acquisition profile of the microscope; created if new.")
    ] = None,
    noise_model_kind: Annotated[
        NoiseModelKind, typer.Option(help="Kind of noise model to fit.")
    ] = NoiseModelKind.GMM,
    image: ImagesOption = None,
    dark: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            help="Frames without any light: they tell offset and read noise, with which later checks of the "
            "camera are compared.",
        ),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel that was recorded with these settings: its name, or else its index, from 0. "
            "Default: all."
        ),
    ] = None,
    settings: SettingsOption = None,
    series: SeriesOption = None,
    server: ServerOption = DEFAULT_SERVER,
    key: KeyOption = None,
) -> None:
    """Upload calibration frames to a server; the fitted noise model becomes the microscope's active one."""
    told = settings_of(settings)
    with connected(server, key) as client:
        client.ensure_microscope(microscope)
        if profile is not None:
            client.ensure_profile(microscope, profile)

        def uploaded(paths: Sequence[Path], role: str) -> list[str]:
            place = {"microscope": microscope, "profile": profile, "settings": told}
            return [upload(client, path, **place, role=role).id for path in paths]

        spec = {
            "kind": "fit_noise_model",
            "image_ids": uploaded(frames, "calibration"),
            "data_image_ids": uploaded(image or [], "data") or None,
            "dark_image_ids": uploaded(dark or [], "calibration") or None,
            "series": None if series is None else [series],
            "noise_model_kind": noise_model_kind,
            "for_channel": channel,
        }
        with stage_bars(Console(stderr=True)) as show:
            job = client.wait(client.submit(spec).id, on_progress=show_job(show))
    values = job.result.values if job.result else {}
    _print([("noise model", values["noise_model_id"]), ("check", values["check"])])
    _print([("warning", text) for text in values["warnings"]])


def _print(lines: list[tuple[str, str]]) -> None:
    for title, text in lines:
        typer.echo(f"{title:<14}{text}")
