"""Command-line options shared by several commands."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from models_store.contracts.numbers import LARGEST_EXACT_INTEGER
from models_store.contracts.spec_parts import MAX_MASK_PX, StructuredMask
from models_store.contracts.vocabulary import (
    NoiseModelKind,
    OutputDtype,
    Preset,
    Prior,
    TiffCompression,
)
from models_store.errors import InvalidRequestError

Named = TypeVar("Named")
NONE = "none"
_SETTINGS_EXAMPLE = """write for instance --settings '{"camera": "Flash", "gain": 2}'"""
DEFAULT_SERVER = "http://127.0.0.1:8000"

ServerOption = Annotated[str, typer.Option(envvar="CLEARSCOPE_SERVER", help="URL of the server.")]
KeyOption = Annotated[
    str | None, typer.Option(envvar="CLEARSCOPE_API_KEY", show_envvar=True, help="API key for the server.")
]
SettingsOption = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help='Settings of the camera that files do not tell, such as {"camera": "Flash", "gain": 2}: the '
        "fields of an acquisition profile. They win over those in the files.",
    ),
]
PresetOption = Annotated[Preset, typer.Option(help="Training preset.")]
PriorOption = Annotated[
    Prior | None,
    typer.Option(
        help="Where training starts: the pretrained network, or nothing. Default: fast and balanced "
        "adapt the pretrained network where they can."
    ),
]
PretrainedOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="Network file from `clearscope pretrain`, in place of the one that comes with ClearScope.",
    ),
]
PretrainedStackOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        dir_okay=False,
        help="The same of the network that sees planes with their neighbours, from `clearscope pretrain "
        "--stacks`.",
    ),
]
NoiseModelKindOption = Annotated[NoiseModelKind, typer.Option(help="Kind of noise model to bootstrap.")]
SeedOption = Annotated[
    int, typer.Option(min=0, max=LARGEST_EXACT_INTEGER, help="Random seed; equal seeds give equal results.")
]
DtypeOption = Annotated[
    OutputDtype,
    typer.Option(
        help="Pixel type of the result; same: that of the file, rounded and clipped, and a warning tells the "
        "share of clipped pixels."
    ),
]
CompressionOption = Annotated[
    TiffCompression,
    typer.Option(help="Lossless compression of a TIFF result; every program reads deflate, few read zstd."),
]
TiledOption = Annotated[
    bool,
    typer.Option(
        "--tiled", help="Write tiles instead of strips to a TIFF result; ImageJ and ITK do not read them."
    ),
]
CrateOption = Annotated[
    bool,
    typer.Option(
        "--crate", help="Write an RO-Crate beside the result: what was made from what, by what, and how."
    ),
]
TargetArgument = Annotated[
    Path,
    typer.Argument(
        help="Output file for the denoised image; its suffix tells the format: .ome.zarr is an OME-Zarr "
        "folder, .ozx one in a ZIP file, .ome.tif is OME-TIFF, .tif is TIFF of the file's own kind. Of "
        "several images in a file, each has its own: out_s0.tif, out_s1.tif ... for out.tif."
    ),
]
KeepHotPixelsOption = Annotated[
    bool,
    typer.Option(
        "--keep-hot-pixels",
        help="Leave hot and dead pixels as they are, instead of estimating them from their neighbours.",
    ),
]
SeriesOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="Number of the image, from 0, in files that hold several (scenes, series, positions)."
    ),
]
SeveralSeriesOption = Annotated[
    list[int] | None,
    typer.Option(
        "--series",
        min=0,
        help="Number of an image, from 0, in a file with several (scenes, series, positions); may be "
        "repeated. Default: all.",
    ),
]
ChannelOption = Annotated[
    str | None, typer.Option(help="Channel of a file with several: its name, or else its index, from 0.")
]
StructuredMaskOption = Annotated[
    tuple[int, int],
    typer.Option(
        min=0,
        max=MAX_MASK_PX,
        metavar="Y X",
        help="Pixels also masked on each side of the blind spot along Y and X, for correlated noise.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="cpu, cuda:N, cuda (the GPU with the most free memory), or auto (like cuda, else cpu)."
    ),
]


def for_channels(given: Sequence[Named] | None) -> Named | list[Named | None] | None:
    """Return what a repeatable option names: once, for all channels; else for each, and None for `none`."""
    entries = [None if str(each) == NONE else each for each in given or ()]
    return entries if len(entries) > 1 else next(iter(entries), None)


def parse_structured_mask(pixels: tuple[int, int]) -> StructuredMask | None:
    """Return the structured mask of the option (Y, X); None for (0, 0)."""
    y_px, x_px = pixels
    return StructuredMask(y_px=y_px, x_px=x_px) if y_px or x_px else None


def settings_of(text: str | None) -> dict[str, Any] | None:
    """Read the settings of an option. Raises InvalidRequestError unless they are a JSON object."""
    if text is None:
        return None
    try:
        settings = json.loads(text)
    except ValueError as error:
        raise InvalidRequestError(f"--settings is no JSON: {error}; {_SETTINGS_EXAMPLE}") from error
    if not isinstance(settings, dict):
        raise InvalidRequestError(f"--settings has to be a JSON object; {_SETTINGS_EXAMPLE}")
    return settings
