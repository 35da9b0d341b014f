"""`clearscope pretrain`: make a pretrained network from simulated images."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import require_extra
from app.commands.options import DeviceOption
from app.commands.progress import stage_bars

pretrain_command = typer.Typer()


@pretrain_command.command()
def pretrain(
    target: Annotated[Path, typer.Argument(dir_okay=False, help="Output file for the network.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps. Default: those of the packaged network.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated images and the weights.")] = 1,
    device: DeviceOption = "auto",
) -> None:
    """Train a network on simulated images, as the preset `instant` uses it; interrupted runs resume."""
    with require_extra("worker"):
        # Imported here: other commands work without the engine.
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.engine.pretraining.recipe import PretrainingRecipe  # noqa: PLC0415
        from worker.offline.pretraining import pretrain_to_file  # noqa: PLC0415
    default = PretrainingRecipe()
    recipe = PretrainingRecipe(steps=steps or default.steps, seed=seed)
    with stage_bars(Console(stderr=True)) as show:

        def on_step(step: int, error: float) -> None:
            show("pretrained", step / recipe.steps, f"step {step} of {recipe.steps}, error {error:.3f}")

        digest = pretrain_to_file(target, recipe, device=choose_device(device), on_step=on_step)
    typer.echo(f"{'written':<14}{target}, digest {digest}")
