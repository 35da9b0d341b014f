"""The eight symmetries of a square."""

from torch import Tensor

SYMMETRIES = 8
QUARTER_TURNS = 4


def apply_symmetry(image: Tensor, symmetry: int) -> Tensor:
    """Rotate (..., H, W) by `symmetry % 4` quarter turns, after mirroring it where `symmetry >= 4`."""
    mirrored = image.flip(-1) if symmetry >= QUARTER_TURNS else image
    return mirrored.rot90(symmetry % QUARTER_TURNS, dims=(-2, -1))
