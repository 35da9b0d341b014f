"""Training batches: patches and their target pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from worker.engine.training.masking import MaskedPatches


@dataclass(frozen=True, eq=False)
class MaskedBatch:
    """Patches (B, H, W) whose masked pixels carry the loss, and the targets (M,) there.

    The targets are the pixels' observations; in supervised training no pixel is replaced, all pixels carry
    loss, and the targets are their signals.
    """

    masked: MaskedPatches
    target_adu: Tensor
    share: float = 1.0
    """Fraction of the whole batch's targets that this part contains."""

    @property
    def image(self) -> Tensor:
        """Input of the network (B, H, W)."""
        return self.masked.image

    def with_image(self, image: Tensor) -> Self:
        """Return the batch with another input (B, H, W) and the same targets."""
        return replace(self, masked=replace(self.masked, image=image))

    def at_targets(self, values: Tensor) -> Tensor:
        """Gather values (B, H, W, ...) at the targets: (M, ...)."""
        return self.masked.at_masked(values)

    def average(self, losses: Tensor) -> Tensor:
        """Return the contribution of losses (M,) to the mean over the whole batch."""
        return losses.mean() * self.share

    def to(self, device: torch.device) -> Self:
        masked = self.masked
        pixels = (values.to(device) for values in (masked.image, masked.patch, masked.y, masked.x))
        return replace(self, masked=MaskedPatches(*pixels), target_adu=self.target_adu.to(device))

    def split(self, patches: int) -> Iterator["MaskedBatch"]:
        """Split into batches of `patches` patches, leaving out those without masked pixels."""
        masked = self.masked
        for first in range(0, len(masked.image), patches):
            part = (masked.patch >= first) & (masked.patch < first + patches)
            if bool(part.any()):
                pixels = masked.patch[part] - first, masked.y[part], masked.x[part]
                image = masked.image[first : first + patches]
                target = self.target_adu[part]
                share = len(target) / len(self.target_adu)
                yield MaskedBatch(MaskedPatches(image, *pixels), target, share)


@dataclass(frozen=True, eq=False)
class FixedBatch:
    """Patches (B, H, W) with a fixed number of targets; invalid targets have zero weight.

    `value_adu` and `weight` are (B, T), as are the positions `at` of the targets, y * W + x; without `at` all
    pixels are targets. The weights of a batch sum to one. Shapes do not depend on random numbers, which
    avoids synchronising with the GPU.
    """

    image: Tensor
    value_adu: Tensor
    weight: Tensor
    at: Tensor | None = None

    @property
    def target_adu(self) -> Tensor:
        """Target values (B * T,)."""
        return self.value_adu.flatten()

    def with_image(self, image: Tensor) -> Self:
        """Return the batch with another input (B, H, W) and the same targets."""
        return replace(self, image=image)

    def at_targets(self, values: Tensor) -> Tensor:
        """Gather values (B, H, W, F) at the targets: (B * T, F)."""
        pixels = values.flatten(0, 2)
        if self.at is None:
            return pixels
        patches, height, width = self.image.shape
        first = torch.arange(patches, device=self.at.device)[:, None] * (height * width)
        return pixels.index_select(0, (first + self.at).flatten())

    def average(self, losses: Tensor) -> Tensor:
        """Return the contribution of losses (B * T,) to the mean over the whole batch."""
        return (losses * self.weight.flatten()).sum()

    def split(self, patches: int) -> Iterator["FixedBatch"]:
        """Split into batches of `patches` patches."""
        for first in range(0, len(self.image), patches):
            part = slice(first, first + patches)
            at = None if self.at is None else self.at[part]
            yield FixedBatch(self.image[part], self.value_adu[part], self.weight[part], at)


Batch = MaskedBatch | FixedBatch
