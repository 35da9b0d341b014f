"""The pixels that a run trains on, and the patches drawn from them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from worker.engine.augment import SYMMETRIES, apply_symmetry
from worker.engine.errors import ImageUnsuitableError
from worker.engine.masking import MaskedPatches, mask_patches, mask_pixels
from worker.engine.presets import Preset, Validation

_LEAST_PIXELS = 64
_WINDOW_LIMIT_PX = 4096
_HELD_OUT_BOX_PX = 8
_HELD_OUT_FRACTION = 0.05
_VALIDATION_PATCHES = 32


class PlaneSequence(Protocol):
    """Images as planes (Y, X), float32 ADU, perhaps streamed from files; never modified."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


@dataclass(frozen=True, eq=False)
class TrainingImage:
    """One image, at least as large as a patch; masks are bool (H, W)."""

    observation_adu: Tensor
    usable: Tensor
    """Pixels that exist and are finite."""
    held_out: Tensor
    """Usable pixels that are for validation only."""


@dataclass(frozen=True, eq=False)
class MaskedBatch:
    """Patches (B, H, W) whose masked pixels carry the loss, and the (M,) observations to be predicted."""

    masked: MaskedPatches
    observation_adu: Tensor

    def split(self, patches: int) -> Iterator["MaskedBatch"]:
        """Cut into batches of `patches` patches, leaving out those where nothing is masked."""
        masked = self.masked
        for first in range(0, len(masked.image), patches):
            part = (masked.patch >= first) & (masked.patch < first + patches)
            if bool(part.any()):
                pixels = masked.patch[part] - first, masked.y[part], masked.x[part]
                image = masked.image[first : first + patches]
                yield MaskedBatch(MaskedPatches(image, *pixels), self.observation_adu[part])


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """All images of one run with their mean and standard deviation."""

    images: tuple[TrainingImage, ...]
    training_px: Tensor
    """How many pixels of each image may be masked, which is how often it is drawn from."""
    mean_adu: float
    std_adu: float

    def draw(self, preset: Preset, generator: torch.Generator) -> MaskedBatch:
        """Draw one step's patches with random symmetries and masks."""
        chosen = torch.multinomial(
            self.training_px, preset.patches_per_step, replacement=True, generator=generator
        )
        symmetries = torch.randint(SYMMETRIES, (preset.patches_per_step,), generator=generator)
        patches = [
            _cut(self.images[image], preset.patch_px, symmetry, generator)
            for image, symmetry in zip(chosen.tolist(), symmetries.tolist(), strict=True)
        ]
        observation, usable, held_out = (torch.stack(parts) for parts in zip(*patches, strict=True))
        masked = mask_patches(
            observation,
            maskable=usable & ~held_out,
            usable=usable,
            box_px=preset.mask_box_px,
            generator=generator,
        )
        return MaskedBatch(masked, masked.at_masked(observation))

    def draw_validation(self, preset: Preset, generator: torch.Generator) -> MaskedBatch:
        """Draw patches whose held-out pixels are masked; drawn once, so that validation losses compare."""
        sizes = torch.tensor([image.held_out.count_nonzero() for image in self.images], dtype=torch.float64)
        chosen = torch.multinomial(sizes, _VALIDATION_PATCHES, replacement=True, generator=generator)
        patches = []
        for index in chosen.tolist():
            image = self.images[index]
            patches.append(_cut(image, preset.patch_px, 0, generator, around=image.held_out))
        observation, usable, held_out = (torch.stack(parts) for parts in zip(*patches, strict=True))
        sparse = _one_per_box(held_out, preset.mask_box_px, generator)
        masked = mask_pixels(observation, mask=sparse, usable=usable, generator=generator)
        return MaskedBatch(masked, masked.at_masked(observation))


def collect_training_images(
    planes: PlaneSequence, preset: Preset, generator: torch.Generator
) -> TrainingImages:
    """Copy what the preset has room for, fill non-finite pixels with the mean, set validation pixels apart.

    Raises ImageUnsuitableError if there are hardly any finite pixels.
    """
    chosen: dict[int, Tensor] = {}
    remaining_px = preset.training_px
    order = torch.randperm(len(planes), generator=generator).tolist()
    for index in order:
        window = _window(torch.tensor(np.asarray(planes[index], dtype=np.float32)), generator)
        if chosen and window.numel() > remaining_px:
            break
        remaining_px -= window.numel()
        chosen[index] = window
    # Back in the order of acquisition, which decides what "the last images" are.
    observations = [chosen[index] for index in sorted(chosen)]
    mean_adu, std_adu = _moments(observations)
    held_out = _hold_out(observations, preset.validation, generator)
    images = tuple(
        _training_image(observation, validation, preset.patch_px, mean_adu)
        for observation, validation in zip(observations, held_out, strict=True)
    )
    training_px = torch.stack([(image.usable & ~image.held_out).sum() for image in images]).double()
    return TrainingImages(images, training_px, mean_adu, std_adu)


def _window(plane: Tensor, generator: torch.Generator) -> Tensor:
    """Cut a random window out of a plane that is too large to keep."""
    corners = [
        int(torch.randint(max(size - _WINDOW_LIMIT_PX, 0) + 1, (), generator=generator))
        for size in plane.shape
    ]
    top, left = corners
    return plane[top : top + _WINDOW_LIMIT_PX, left : left + _WINDOW_LIMIT_PX].clone()


def _moments(observations: list[Tensor]) -> tuple[float, float]:
    finite = [observation[observation.isfinite()].double() for observation in observations]
    count = sum(values.numel() for values in finite)
    if count < _LEAST_PIXELS:
        raise ImageUnsuitableError(
            f"the images have {count} finite pixels, expected at least {_LEAST_PIXELS}"
        )
    mean = sum(float(values.sum()) for values in finite) / count
    variance = sum(float((values - mean).square().sum()) for values in finite) / count
    # A constant image can be trained on, there is just nothing to learn: any scale will do.
    return mean, math.sqrt(variance) or 1.0


def _hold_out(observations: list[Tensor], validation: Validation, generator: torch.Generator) -> list[Tensor]:
    if validation == "scattered-pixels":
        everywhere = [torch.ones_like(observation, dtype=torch.bool) for observation in observations]
        return [_one_per_box(pixels[None], _HELD_OUT_BOX_PX, generator)[0] for pixels in everywhere]
    held_out = [torch.zeros_like(observation, dtype=torch.bool) for observation in observations]
    if len(held_out) == 1:
        rows = held_out[0].shape[0]
        held_out[0][rows - math.ceil(_HELD_OUT_FRACTION * rows) :] = rows > 1
        return held_out
    for mask in held_out[-math.ceil(_HELD_OUT_FRACTION * len(held_out)) :]:
        mask.fill_(value=True)
    return held_out


def _training_image(observation: Tensor, held_out: Tensor, patch_px: int, fill_adu: float) -> TrainingImage:
    usable = observation.isfinite()
    height, width = observation.shape
    shape = max(height, patch_px), max(width, patch_px)
    # Padding repeats no pixel of the image: a copy would tell a network what it must not see.
    padded = torch.full(shape, fill_adu)
    padded[:height, :width] = torch.where(usable, observation, fill_adu)
    masks = torch.zeros((2, *shape), dtype=torch.bool)
    masks[0, :height, :width] = usable
    masks[1, :height, :width] = usable & held_out
    return TrainingImage(padded, masks[0], masks[1])


def _cut(
    image: TrainingImage,
    patch_px: int,
    symmetry: int,
    generator: torch.Generator,
    around: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a patch at a random place, or at one that holds a random pixel of `around`."""
    height, width = image.observation_adu.shape
    limits = height - patch_px, width - patch_px
    if around is None:
        top, left = (int(torch.randint(limit + 1, (), generator=generator)) for limit in limits)
    else:
        pixels = around.nonzero()
        centre = pixels[int(torch.randint(len(pixels), (), generator=generator))].tolist()
        top, left = (min(max(at - patch_px // 2, 0), limit) for at, limit in zip(centre, limits, strict=True))
    window = (slice(top, top + patch_px), slice(left, left + patch_px))
    parts = (image.observation_adu[window], image.usable[window], image.held_out[window])
    observation, usable, held_out = (apply_symmetry(part, symmetry) for part in parts)
    return observation, usable, held_out


def _one_per_box(mask: Tensor, box_px: int, generator: torch.Generator) -> Tensor:
    """Keep at most one pixel of the (B, H, W) mask in each box of a grid."""
    batch, height, width = mask.shape
    rows, columns = -(-height // box_px), -(-width // box_px)
    draw = torch.rand(mask.shape, generator=generator).masked_fill(~mask, -1.0)
    padded = torch.full((batch, rows * box_px, columns * box_px), -1.0)
    padded[:, :height, :width] = draw
    boxes = padded.view(batch, rows, box_px, columns, box_px)
    greatest = boxes.amax(dim=(2, 4), keepdim=True)
    kept = (boxes == greatest) & (boxes >= 0)
    return kept.reshape(padded.shape)[:, :height, :width]
