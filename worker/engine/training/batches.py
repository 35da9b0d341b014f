"""What a network is trained on at once: patches, and the pixels of them whose values it is to predict."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from worker.engine.training.masking import MaskedPatches


@dataclass(frozen=True, eq=False)
class MaskedBatch:
    """Patches (B, H, W) whose masked pixels carry the loss, and the (M,) values to be predicted there.

    Those are the pixels' observations; in supervised training nothing is replaced, all pixels carry loss, and
    the values are their signals.
    """

    masked: MaskedPatches
    target_adu: Tensor
    share: float = 1.0
    """How many of the values to be predicted this one has of the batch that it was cut from."""

    @property
    def image(self) -> Tensor:
        """What the network sees."""
        return self.masked.image

    def seen_as(self, image: Tensor) -> Self:
        """Show the network other patches (B, H, W) with the same values to be predicted."""
        return replace(self, masked=replace(self.masked, image=image))

    def at_targets(self, values: Tensor) -> Tensor:
        """Gather (B, H, W, ...) where values are to be predicted: (M, ...)."""
        return self.masked.at_masked(values)

    def average(self, losses: Tensor) -> Tensor:
        """What losses (M,) add to the mean over the batch that this one was cut from."""
        return losses.mean() * self.share

    def to(self, device: torch.device) -> Self:
        masked = self.masked
        pixels = (values.to(device) for values in (masked.image, masked.patch, masked.y, masked.x))
        return replace(self, masked=MaskedPatches(*pixels), target_adu=self.target_adu.to(device))

    def split(self, patches: int) -> Iterator["MaskedBatch"]:
        """Cut into batches of `patches` patches, leaving out those where nothing is masked."""
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
    """Patches (B, H, W) with always as many targets: what cannot be one of them weighs nothing.

    `value_adu` and `weight` are (B, T), and so is `at`, which says where the targets are: y * W + x. Without
    it they are all pixels. The weights of a batch add up to one. No size depends on what was drawn, so that
    nobody has to wait until a GPU knows it.
    """

    image: Tensor
    value_adu: Tensor
    weight: Tensor
    at: Tensor | None = None

    @property
    def target_adu(self) -> Tensor:
        """The values to be predicted (B * T,)."""
        return self.value_adu.flatten()

    def seen_as(self, image: Tensor) -> Self:
        """Show the network other patches (B, H, W) with the same values to be predicted."""
        return replace(self, image=image)

    def at_targets(self, values: Tensor) -> Tensor:
        """Gather (B, H, W, F) where values are to be predicted: (B * T, F)."""
        pixels = values.flatten(0, 2)
        if self.at is None:
            return pixels
        patches, height, width = self.image.shape
        first = torch.arange(patches, device=self.at.device)[:, None] * (height * width)
        return pixels.index_select(0, (first + self.at).flatten())

    def average(self, losses: Tensor) -> Tensor:
        """What losses (B * T,) add to the mean over the batch that this one was cut from."""
        return (losses * self.weight.flatten()).sum()

    def split(self, patches: int) -> Iterator["FixedBatch"]:
        """Cut into batches of `patches` patches."""
        for first in range(0, len(self.image), patches):
            part = slice(first, first + patches)
            at = None if self.at is None else self.at[part]
            yield FixedBatch(self.image[part], self.value_adu[part], self.weight[part], at)


Batch = MaskedBatch | FixedBatch
