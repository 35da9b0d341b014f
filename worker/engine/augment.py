"""The eight symmetries of a square."""

from torch import Tensor

SYMMETRIES = 8


def apply_symmetry(image: Tensor, symmetry: int) -> Tensor:
    """Rotate (..., H, W) by `symmetry % 4` quarter turns, after mirroring it where `symmetry >= 4`."""
    mirrored = image.flip(-1) if symmetry >= SYMMETRIES // 2 else image
    return mirrored.rot90(symmetry % 4, dims=(-2, -1))


def undo_symmetry(image: Tensor, symmetry: int) -> Tensor:
    """Invert `apply_symmetry`."""
    turned_back = image.rot90(-(symmetry % 4), dims=(-2, -1))
    return turned_back.flip(-1) if symmetry >= SYMMETRIES // 2 else turned_back
