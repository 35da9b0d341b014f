"""Options that several commands share."""

from typing import Annotated

import typer

from models_store.contracts.numbers import LARGEST_EXACT_INTEGER
from models_store.contracts.spec_parts import MAX_MASK_PX, StructuredMask
from models_store.contracts.vocabulary import NoiseModelKind, Preset

DEFAULT_SERVER = "http://127.0.0.1:8000"

ServerOption = Annotated[str, typer.Option(envvar="CLEARSCOPE_SERVER", help="Address of the server.")]
KeyOption = Annotated[
    str | None, typer.Option(envvar="CLEARSCOPE_API_KEY", show_envvar=True, help="API key of the server.")
]
PresetOption = Annotated[Preset, typer.Option(help="Training budget.")]
NoiseModelKindOption = Annotated[NoiseModelKind, typer.Option(help="What is bootstrapped.")]
SeedOption = Annotated[
    int, typer.Option(min=0, max=LARGEST_EXACT_INTEGER, help="The same seed gives the same result.")
]
StructuredMaskOption = Annotated[
    tuple[int, int],
    typer.Option(
        min=0,
        max=MAX_MASK_PX,
        metavar="Y X",
        help="Neighbours on each side, along y and along x, that are hidden too: for correlated noise.",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda:N; cuda or auto: the freest GPU.")]


def mask_of(pixels: tuple[int, int]) -> StructuredMask | None:
    """Give the mask that the option stands for; None where it hides no neighbours."""
    y_px, x_px = pixels
    return StructuredMask(y_px=y_px, x_px=x_px) if y_px or x_px else None
