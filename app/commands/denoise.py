"""`clearscope denoise`: denoise one file on this machine, without a server."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.extras import require_extra
from app.commands.options import (
    CompressionOption,
    CrateOption,
    DeviceOption,
    DtypeOption,
    KeepHotPixelsOption,
    NoiseModelKindOption,
    PresetOption,
    PretrainedOption,
    PretrainedStackOption,
    PriorOption,
    SeedOption,
    SeveralSeriesOption,
    StructuredMaskOption,
    TargetArgument,
    TiledOption,
    for_channels,
    parse_structured_mask,
)
from app.commands.progress import stage_bars
from models_store.contracts.vocabulary import DEFAULT_PRESET, NoiseModelKind, OutputDtype, TiffCompression

denoise_command = typer.Typer()


@denoise_command.command()
def denoise(
    source: Annotated[
        Path,
        typer.Argument(
            exists=True,
            help="Image file (TIFF, CZI, ND2, LIF, IMS, MRC, SPE), or folder or ZIP archive of a set "
            "(OME-TIFF, NDTiff, OME-Zarr): a plane or a stack; each channel is denoised on its own.",
        ),
    ],
    target: TargetArgument,
    series: SeveralSeriesOption = None,
    preset: PresetOption = DEFAULT_PRESET,
    prior: PriorOption = None,
    pretrained: PretrainedOption = None,
    pretrained_stack: PretrainedStackOption = None,
    noise_model: Annotated[
        list[Path] | None,
        typer.Option(
            help="Use this .npz or .npy file instead of bootstrapping noise models: named once, for all "
            "channels; else once for each, in their order, and `none` for one to bootstrap."
        ),
    ] = None,
    noise_model_kind: NoiseModelKindOption = NoiseModelKind.GMM,
    save_noise_model: Annotated[
        Path | None,
        typer.Option(
            help="Write the noise model to this file: .npz for a mixture, .npy for a histogram. Of several "
            "channels, each has its own: noise_c0.npz, noise_c1.npz ... for noise.npz."
        ),
    ] = None,
    structured_mask: StructuredMaskOption = (0, 0),
    report: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for a report (a figure and a JSON record).")
    ] = None,
    dtype: DtypeOption = OutputDtype.FLOAT32,
    compression: CompressionOption = TiffCompression.NONE,
    tiled: TiledOption = False,
    crate: CrateOption = False,
    keep_hot_pixels: KeepHotPixelsOption = False,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Denoise one file on this machine, without a server."""
    console = Console()

    def print_line(title: str, text: str) -> None:
        console.print(f"{title:<14}{text}", highlight=False, markup=False, soft_wrap=True)

    with require_extra("worker"):
        # Imported here: other commands work without the engine.
        from worker.attempt.device import choose_device  # noqa: PLC0415
        from worker.offline.denoise import DenoiseOptions, denoise_series  # noqa: PLC0415
        from worker.processes.compile_cache import keep_compiled_programs  # noqa: PLC0415

        keep_compiled_programs()
        options = DenoiseOptions(
            device=choose_device(device),
            series=series or (),
            preset=preset,
            prior=prior,
            pretrained=pretrained,
            pretrained_stack=pretrained_stack,
            structured_mask=parse_structured_mask(structured_mask),
            seed=seed,
            dtype=dtype,
            compression=compression,
            tiled=tiled,
            crate=crate,
            keep_hot_pixels=keep_hot_pixels,
            noise_model=for_channels(noise_model),
            noise_model_kind=noise_model_kind,
            save_noise_model=save_noise_model,
            report_folder=report,
        )
        with stage_bars(console) as show:
            summaries = denoise_series(
                source, target, options, show, lambda text: print_line("warning", text)
            )
    for summary in summaries:
        for title, text in summary.lines():
            print_line(title, text)
