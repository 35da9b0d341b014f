"""How the same work is done on different devices: in which portions, and where its pixels lie."""

from dataclasses import dataclass

import torch

BLOCK_PX = 8192
"""Pixels of a block, unless a device wants others: a core's cache holds, nearly, what they need."""


@dataclass(frozen=True)
class Execution:
    """What suits a device; results depend on it by rounding alone, but for what is drawn at random."""

    whole_steps: bool
    """All patches of a training step pass together, whatever the preset says of `patches_at_once`."""
    resident: bool
    """Training images lie on the device, which draws the patches and is not waited for at each step."""
    steps_per_checkpoint: int
    """A checkpoint is written at a validation, and not before so many steps since the last."""
    tile_px: int
    """Planes are predicted in tiles of this side."""
    block_samples: int
    least_block_px: int
    most_block_px: int
    """Likelihoods are computed for a block of pixels at a time, for about `block_samples` of samples."""

    def block_px(self, samples: int) -> int:
        """Pixels of a block, a power of two: few sizes need few compiled programs."""
        pixels = 1 << (max(self.block_samples // samples, 1).bit_length() - 1)
        return min(max(pixels, self.least_block_px), self.most_block_px)


HOST = Execution(
    whole_steps=False,
    resident=False,
    steps_per_checkpoint=1,
    tile_px=512,
    block_samples=0,
    least_block_px=BLOCK_PX,
    most_block_px=BLOCK_PX,
)
GPU = Execution(
    whole_steps=True,
    resident=True,
    # The paper validates every 5 steps, between which a GPU loses next to nothing.
    steps_per_checkpoint=50,
    # Wider tiles share less with their neighbours: 10 % of the pixels instead of 20 % are seen twice.
    tile_px=1024,
    # 64 MB for each intermediate result: enough to keep a GPU busy, little enough for a small one.
    block_samples=1 << 24,
    least_block_px=BLOCK_PX,
    most_block_px=1 << 18,
)


def execution_on(device: torch.device) -> Execution:
    return GPU if device.type == "cuda" else HOST
