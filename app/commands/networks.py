"""`clearscope train` and `clearscope predict`: networks as files, without a server."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import needing
from app.commands.options import DeviceOption, PresetOption, SeedOption, StructuredMaskOption, mask_of
from app.commands.progress import stage_bars
from models_store.contracts.vocabulary import DEFAULT_PRESET, Method, Output, OutputDtype
from models_store.errors import InvalidRequestError

network_commands = typer.Typer()

NoiseModelOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Of PN2V, or to distil: a published .npz or .npy."),
]


@network_commands.command()
def train(  # one parameter for each of the command's
    noisy: Annotated[
        list[Path], typer.Argument(exists=True, dir_okay=False, help="TIFF files, planes or stacks.")
    ],
    method: Annotated[
        Method,
        typer.Option(
            help="PN2V needs a noise model, CARE ground truth, distilled a noise model and a teacher."
        ),
    ],
    output: Annotated[Path, typer.Option(dir_okay=False, help="Where the network is written (safetensors).")],
    ground_truth: Annotated[
        list[Path] | None,
        typer.Option(exists=True, dir_okay=False, help="Of CARE: a clean file for each noisy one."),
    ] = None,
    noise_model: NoiseModelOption = None,
    start: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A network whose weights to start from.")
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="To distil: the PN2V network to learn from."),
    ] = None,
    preset: PresetOption = DEFAULT_PRESET,
    structured_mask: StructuredMaskOption = (0, 0),
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Train a network on this machine: N2V, PN2V, CARE, or one distilled from PN2V."""
    with needing("worker"):
        # Other commands work without an engine.
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.offline.networks import TrainingFiles, TrainingOptions, train_on_files  # noqa: PLC0415
    files = TrainingFiles(noisy, ground_truth or [], noise_model, start, teacher)
    options = TrainingOptions(
        method=method,
        device=choose_device(device),
        preset=preset,
        structured_mask=mask_of(structured_mask),
        seed=seed,
    )
    with stage_bars(Console(stderr=True)) as show:
        train_on_files(
            files, output, options, show, on_warning=lambda text: typer.echo(f"{'warning':<14}{text}")
        )
    typer.echo(f"{'written':<14}{output}")


@network_commands.command()
def predict(  # one parameter for each of the command's
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A TIFF file.")],
    target: Annotated[Path, typer.Argument(dir_okay=False, help="Where the denoised image is written.")],
    network: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="Trained here or downloaded from a server.")
    ],
    noise_model: NoiseModelOption = None,
    estimate: Annotated[
        Output,
        typer.Option(
            help="Of PN2V: prior_mean, mmse, or denoised for the better one, as far as can be told."
        ),
    ] = Output.DENOISED,
    dtype: Annotated[OutputDtype, typer.Option(help="Pixel type of the result.")] = OutputDtype.FLOAT32,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Denoise a file with a trained network, without a server."""
    if estimate is Output.POSTERIOR_STD:
        raise InvalidRequestError("posterior_std is no estimate of the image; name another one")
    with needing("worker"):
        # Other commands work without an engine.
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.offline.networks import PredictionOptions, predict_file  # noqa: PLC0415
        from worker.processes.compile_cache import keep_compiled_programs  # noqa: PLC0415
    keep_compiled_programs()
    options = PredictionOptions(
        network=network,
        device=choose_device(device),
        noise_model=noise_model,
        estimate=estimate,
        dtype=dtype,
        seed=seed,
    )
    with stage_bars(Console(stderr=True)) as show:
        said = predict_file(source, target, options, show)
    typer.echo(f"{'estimate':<14}{said}")
    typer.echo(f"{'written':<14}{target}")
