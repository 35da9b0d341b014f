"""Options of every command that trains a network."""

from typing import Annotated

import typer

from models_store.contracts.spec_parts import MAX_MASK_PX

StructuredMaskOption = Annotated[
    tuple[int, int],
    typer.Option(
        min=0,
        max=MAX_MASK_PX,
        metavar="Y X",
        help="Neighbours on each side, along y and along x, that are hidden too: for correlated noise.",
    ),
]
