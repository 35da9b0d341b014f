"""`clearscope denoise-folder`: denoise a folder of images, as platforms that run containers ask."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.denoise import denoise
from app.commands.options import DeviceOption, PresetOption, SeedOption
from clearscope_client.hot_folder.arrivals import arrivals, is_image
from clearscope_client.hot_folder.results import stem_of
from models_store.contracts.vocabulary import DEFAULT_PRESET, OutputFormat
from models_store.errors import ClearScopeError, InvalidRequestError
from models_store.whole_files import require_writable_folder

denoise_folder_command = typer.Typer()

_OME_TIFF, _OME_ZARR = ".ome.tif", ".ome.zarr"
_ALREADY_DENOISED = "_denoised"


@denoise_folder_command.command("denoise-folder")
def denoise_folder(
    source: Annotated[
        Path,
        typer.Option(
            "--input", exists=True, file_okay=False, help="Folder of images; folders in it are image sets."
        ),
    ],
    output: Annotated[
        Path, typer.Option(file_okay=False, help="Folder for the results: cells_denoised.tif for cells.tif.")
    ],
    preset: PresetOption = DEFAULT_PRESET,
    file_format: Annotated[
        OutputFormat, typer.Option("--format", help="File format of the results.")
    ] = OutputFormat.SAME,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Denoise all images of a folder on this machine, without a server.

    An image that fails is told, and the others go on; then the exit code is 1.
    """
    require_writable_folder(output)
    output.mkdir(parents=True, exist_ok=True)
    found = [each for each in arrivals(source, {output, output.resolve()}) if is_image(each)]
    images = [each for each in found if not stem_of(each.name).endswith(_ALREADY_DENOISED)]
    if not images:
        raise InvalidRequestError(f"{source} has no images that can be read by their names")
    failed: list[str] = []
    for image in images:
        Console().print(f"image         {image.name}", highlight=False, markup=False, soft_wrap=True)
        target = output / _result_name(image.path, file_format)
        try:
            denoise(image.path, target, preset=preset, seed=seed, device=device)
        except ClearScopeError as error:
            failed.append(f"{image.name}: {error.detail}")
    if failed:
        told = "; ".join(failed)
        raise InvalidRequestError(f"{len(failed)} of {len(images)} images have no result: {told}")


def _result_name(image: Path, file_format: OutputFormat) -> str:
    stem = stem_of(image.name)
    suffix = image.name[len(stem) :].lower()
    if file_format is OutputFormat.OME_ZARR or (file_format is OutputFormat.SAME and ".zarr" in suffix):
        kept = _OME_ZARR
    elif file_format is OutputFormat.SAME and suffix in {".tif", ".tiff", ".ome.tiff", ".ozx"}:
        kept = suffix
    else:
        kept = _OME_TIFF
    return f"{stem}{_ALREADY_DENOISED}{kept}"
