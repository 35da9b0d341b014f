"""Per-device settings: tile and block sizes, and whether training data stays on the GPU."""

from dataclasses import dataclass

import torch

BLOCK_PX = 8192
"""Default pixels per block, whose working set nearly fits into a core's cache."""


@dataclass(frozen=True)
class Execution:
    """Execution settings of a device; they affect results only by rounding and by random number streams."""

    whole_steps: bool
    """Whether all patches of a training step form one batch, ignoring the preset's `patches_at_once`."""
    resident: bool
    """Whether training images stay on the device, which samples patches without synchronising every step."""
    steps_per_checkpoint: int
    """Minimal number of steps between checkpoints, which are written at validations."""
    tile_px: int
    """Side of the tiles in prediction."""
    block_samples: int
    min_block_px: int
    max_block_px: int
    """Likelihoods are computed in blocks of pixels with about `block_samples` samples."""

    def block_px(self, samples: int) -> int:
        """Return the pixels per block, a power of two to limit the number of compiled programs."""
        pixels = 1 << (max(self.block_samples // samples, 1).bit_length() - 1)
        return min(max(pixels, self.min_block_px), self.max_block_px)


HOST = Execution(
    whole_steps=False,
    resident=False,
    steps_per_checkpoint=1,
    tile_px=512,
    block_samples=0,
    min_block_px=BLOCK_PX,
    max_block_px=BLOCK_PX,
)
GPU = Execution(
    whole_steps=True,
    resident=True,
    # The paper's preset validates every 5 steps, too often for checkpoints.
    steps_per_checkpoint=50,
    # Larger tiles overlap less: 10 % instead of 20 % of the pixels are computed twice.
    tile_px=1024,
    # 64 MB per intermediate tensor: enough to saturate a GPU, and small enough for a small one.
    block_samples=1 << 24,
    min_block_px=BLOCK_PX,
    max_block_px=1 << 18,
)


def execution_on(device: torch.device) -> Execution:
    return GPU if device.type == "cuda" else HOST
