"""`clearscope pretrain`: make a pretrained network from simulated images."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import require_extra
from app.commands.options import DeviceOption, SeriesOption
from app.commands.progress import stage_bars
from models_store.errors import InvalidRequestError

pretrain_command = typer.Typer()


@pretrain_command.command()
def pretrain(
    target: Annotated[Path, typer.Argument(dir_okay=False, help="Output file for the network.")],
    images: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True,
            help="Images of your own, noisy ones too, as files or folders of image sets: half of the scenes "
            "are parts of them, and training starts from the packaged network.",
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps. Default: those of the packaged network.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of simulated images and weights. Default: as the packaged network."),
    ] = None,
    stacks: Annotated[  # a command-line flag
        bool,
        typer.Option("--stacks", help="A network that sees planes with their neighbours in time or depth."),
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Pretrained network that the training starts from. Default: the packaged one if there are "
            "images, or with --stacks; else none.",
        ),
    ] = None,
    series: SeriesOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Train a network on simulated images and your own, as the preset `instant` uses it.

    A run that was interrupted resumes.
    """
    if images and stacks:
        raise InvalidRequestError("--stacks: networks for stacks are trained on simulated images alone")
    with require_extra("worker"):
        # Imported here: other commands work without the engine.
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.engine.networks.pretrained import packaged_network  # noqa: PLC0415
        from worker.engine.pretraining.recipe import (  # noqa: PLC0415
            OF_OWN_IMAGES,
            OF_STACKS,
            REFINED,
            PretrainingRecipe,
        )
        from worker.offline.own_scenes import scenes_of_images  # noqa: PLC0415
        from worker.offline.pretraining import pretrain_to_file, read_start_file  # noqa: PLC0415
    from_nothing = PretrainingRecipe() if start is None else REFINED
    default = OF_OWN_IMAGES if images else OF_STACKS if stacks else from_nothing
    recipe = replace(default, steps=steps or default.steps, seed=default.seed if seed is None else seed)
    beginning = packaged_network() if images or stacks else None
    if start is not None:
        beginning = read_start_file(start, recipe)
    chosen_device = choose_device(device)
    with stage_bars(Console(stderr=True)) as show:
        own = None
        if images and beginning is not None:
            own = scenes_of_images(
                images,
                beginning,
                smallest_px=recipe.patch_px,
                series=series,
                device=chosen_device,
                on_plane=lambda done, count: show("scenes", done / count, f"plane {done} of {count}"),
                on_warning=lambda text: typer.echo(f"{'warning':<14}{text}"),
            )

        def on_step(step: int, error: float) -> None:
            show("pretrained", step / recipe.steps, f"step {step} of {recipe.steps}, error {error:.3f}")

        digest = pretrain_to_file(
            target, recipe, start=beginning, own=own, device=chosen_device, on_step=on_step
        )
    typer.echo(f"{'written':<14}{target}, digest {digest}")
