"""`clearscope train` and `clearscope predict`: train and apply network files without a server."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import require_extra
from app.commands.options import (
    ChannelOption,
    CompressionOption,
    CrateOption,
    DeviceOption,
    DtypeOption,
    KeepHotPixelsOption,
    PresetOption,
    PretrainedStackOption,
    SeedOption,
    SeriesOption,
    SeveralSeriesOption,
    StructuredMaskOption,
    TargetArgument,
    TiledOption,
    for_channels,
    parse_structured_mask,
)
from app.commands.progress import stage_bars
from models_store.contracts.vocabulary import DEFAULT_PRESET, Method, Output, OutputDtype, TiffCompression
from models_store.errors import InvalidRequestError

network_commands = typer.Typer()

NoiseModelOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Noise model file in the published .npz or .npy format; needed for PN2V and distillation.",
    ),
]


@network_commands.command()
def train(  # one parameter per command-line option
    noisy: Annotated[
        list[Path], typer.Argument(exists=True, help="Files or folders of images, single planes or stacks.")
    ],
    method: Annotated[
        Method,
        typer.Option(
            help="Training method. PN2V needs a noise model; CARE needs ground truth; "
            "distilled needs a noise model and a teacher."
        ),
    ],
    output: Annotated[Path, typer.Option(dir_okay=False, help="Output file for the network (safetensors).")],
    ground_truth: Annotated[
        list[Path] | None,
        typer.Option(exists=True, help="CARE only: one clean file or folder per noisy one."),
    ] = None,
    noise_model: NoiseModelOption = None,
    start: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Network to initialise the weights from.")
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Distillation only: PN2V network to learn from."),
    ] = None,
    preset: PresetOption = DEFAULT_PRESET,
    structured_mask: StructuredMaskOption = (0, 0),
    series: SeriesOption = None,
    channel: ChannelOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Train an N2V, PN2V, CARE or distilled network on this machine."""
    with require_extra("worker"):
        # Imported here: other commands work without the engine.
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.offline.training import TrainingFiles, TrainingOptions, train_on_files  # noqa: PLC0415
    files = TrainingFiles(noisy, ground_truth or [], noise_model, start, teacher)
    options = TrainingOptions(
        method=method,
        device=choose_device(device),
        preset=preset,
        structured_mask=parse_structured_mask(structured_mask),
        series=series,
        channel=channel,
        seed=seed,
    )
    with stage_bars(Console(stderr=True)) as show:
        train_on_files(files, output, options, show, _print_warning)
    typer.echo(f"{'written':<14}{output}")


@network_commands.command()
def predict(  # one parameter per command-line option
    source: Annotated[
        Path, typer.Argument(exists=True, help="Image file, or folder or ZIP archive of a set.")
    ],
    target: TargetArgument,
    network: Annotated[
        Path,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Network file, from `clearscope train` or downloaded from a server.",
        ),
    ],
    noise_model: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="PN2V only: noise model file in the published .npz or .npy format; named once, for all "
            "channels, else once for each, in their order.",
        ),
    ] = None,
    pretrained_stack: PretrainedStackOption = None,
    series: SeveralSeriesOption = None,
    channel: ChannelOption = None,
    estimate: Annotated[
        Output,
        typer.Option(help="PN2V only: prior_mean, mmse, or denoised for the one of lower estimated risk."),
    ] = Output.DENOISED,
    dtype: DtypeOption = OutputDtype.FLOAT32,
    compression: CompressionOption = TiffCompression.NONE,
    tiled: TiledOption = False,
    crate: CrateOption = False,
    keep_hot_pixels: KeepHotPixelsOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Denoise a file with a trained network on this machine, without a server; each channel on its own."""
    if estimate is Output.POSTERIOR_STD:
        raise InvalidRequestError("posterior_std is not an estimate of the image; choose another output")
    with require_extra("worker"):
        # Imported here: other commands work without the engine.
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.offline.prediction import PredictionOptions, predict_file  # noqa: PLC0415
        from worker.processes.compile_cache import keep_compiled_programs  # noqa: PLC0415
    keep_compiled_programs()
    options = PredictionOptions(
        network=network,
        pretrained_stack=pretrained_stack,
        device=choose_device(device),
        noise_model=for_channels(noise_model),
        series=series or (),
        channel=channel,
        estimate=estimate,
        dtype=dtype,
        compression=compression,
        tiled=tiled,
        crate=crate,
        keep_hot_pixels=keep_hot_pixels,
        seed=seed,
    )
    with stage_bars(Console(stderr=True)) as show:
        made = predict_file(source, target, options, show, _print_warning)
    for predicted in made:
        typer.echo(f"{'trust':<14}{predicted.trust}")
        for text in predicted.estimates:
            typer.echo(f"{'estimate':<14}{text}")
        for path in predicted.written:
            typer.echo(f"{'written':<14}{path}")


def _print_warning(text: str) -> None:
    typer.echo(f"{'warning':<14}{text}")
