"""`clearscope check-noise-model` and `clearscope pool-noise-model`: noise models of a server."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.options import DEFAULT_SERVER, KeyOption, SeedOption, ServerOption
from app.commands.progress import show_job, stage_bars
from app.commands.server_client import connected, upload
from clearscope_client import ClearScope
from models_store.contracts.vocabulary import NoiseModelKind

camera_commands = typer.Typer()

MicroscopeOption = Annotated[str, typer.Option(help="Microscope of the server.")]
ProfileOption = Annotated[
    str | None, typer.Option(help="Acquisition profile. Default: that of images without one.")
]
ChannelOption = Annotated[
    str | None, typer.Option(help="Channel of several: its name, or else its index, from 0.")
]


@camera_commands.command()
def check_noise_model(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, help="Stacks of frames of a static scene, or images (--of-images)."),
    ],
    microscope: MicroscopeOption,
    profile: ProfileOption = None,
    channel: ChannelOption = None,
    noise_model: Annotated[
        str | None, typer.Option(help="Id of the noise model to check. Default: the active one.")
    ] = None,
    dark: Annotated[
        list[Path] | None,
        typer.Option(exists=True, help="Frames without light: they tell offset and read noise apart."),
    ] = None,
    of_images: Annotated[
        bool,
        typer.Option("--of-images", help="The files are images of specimens, which tell gain and offset."),
    ] = False,
    server: ServerOption = DEFAULT_SERVER,
    key: KeyOption = None,
) -> None:
    """Check whether a camera is still the one that its noise model describes; a drifted one is marked."""
    with connected(server, key) as client:

        def uploaded(paths: Iterable[Path], role: str) -> list[str]:
            return [
                upload(client, path, microscope=microscope, profile=profile, role=role).id for path in paths
            ]

        spec = {
            "kind": "check_noise_model",
            "image_ids": uploaded(files, "data" if of_images else "calibration"),
            "dark_image_ids": uploaded(dark or [], "calibration") or None,
            "noise_model": noise_model,
            "for_channel": channel,
        }
        values = _done(client, spec)
    camera = values["camera"]
    typer.echo(f"{'checked':<14}{values['checked_noise_model_id']}")
    typer.echo(f"{camera['verdict']:<14}{camera['told']}")
    table = Table("figure", "value", "reference", "limit", "verdict")
    for figure in camera["figures"]:
        table.add_row(
            f"{figure['title']} ({figure['symbol'] or figure['unit']})",
            f"{figure['value']:.4g} ± {figure['standard_error']:.2g}",
            *("-" if figure[name] is None else f"{figure[name]:.4g}" for name in ("reference", "limit")),
            figure["verdict"],
        )
    Console().print(table)
    _print_warnings(values)


@camera_commands.command()
def pool_noise_model(
    microscope: MicroscopeOption,
    profile: ProfileOption = None,
    channel: ChannelOption = None,
    counted_since: Annotated[
        str | None,
        typer.Option(help="Only pixel pairs counted at this time or later, such as 2026-03-01T12:00:00Z."),
    ] = None,
    counted_before: Annotated[str | None, typer.Option(help="Only pixel pairs counted before it.")] = None,
    noise_model_kind: Annotated[
        NoiseModelKind, typer.Option(help="Kind of noise model to fit.")
    ] = NoiseModelKind.GMM,
    seed: SeedOption = 0,
    server: ServerOption = DEFAULT_SERVER,
    key: KeyOption = None,
) -> None:
    """Fit one noise model to the pixel pairs of a profile's images, which earlier jobs have counted."""
    given = {
        "profile": profile,
        "channel": channel,
        "counted_since": counted_since,
        "counted_before": counted_before,
    }
    spec = {
        "kind": "pool_noise_model",
        "microscope": microscope,
        **{name: value for name, value in given.items() if value is not None},
        "noise_model_kind": noise_model_kind,
        "seed": seed,
    }
    with connected(server, key) as client:
        values = _done(client, spec)
        made = client.noise_model(values["noise_model_id"])
    typer.echo(f"{'noise model':<14}{made.id}{'' if made.active else ' (not active: activate it by hand)'}")
    typer.echo(f"{'check':<14}{values['check']}")
    _print_warnings(values)


def _done(client: ClearScope, spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Post a job and return what it found, once it has succeeded."""
    with stage_bars(Console(stderr=True)) as show:
        job = client.wait(client.submit(spec).id, on_progress=show_job(show))
    return job.result.values if job.result else {}


def _print_warnings(values: Mapping[str, Any]) -> None:
    for warning in values.get("warnings", ()):
        typer.echo(f"{'warning':<14}{warning}")
