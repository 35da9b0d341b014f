"""GPU-resident training images; samples patches on the device (counterpart of `patches`)."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from worker.engine.planes.filling import filled
from worker.engine.planes.symmetries import SYMMETRIES, apply_symmetry
from worker.engine.training.batches import FixedBatch
from worker.engine.training.masking import NEIGHBOURHOOD_RADIUS_PX
from worker.engine.training.patches import TrainingImages, mask_spacing_px
from worker.engine.training.presets import TrainingPreset


@dataclass(frozen=True, eq=False)
class ResidentImages:
    """Pixels of all images, concatenated row by row; images may differ in size."""

    observation_adu: Tensor  # (pixels,)
    usable: Tensor
    held_out: Tensor
    signal_adu: Tensor | None
    first: Tensor  # (images,) index of each image's first pixel
    size_yx: Tensor  # (2, images)
    cumulative: Tensor  # (images,) cumulative sampling probability

    @classmethod
    def of(cls, images: TrainingImages, device: torch.device) -> Self:
        """Copy the images to a device."""
        pixels = [image.observation_adu.numel() for image in images.images]
        size_yx = torch.tensor([image.observation_adu.shape for image in images.images]).T
        cumulative = images.training_px.cumsum(0) / images.training_px.sum()
        signals = [image.signal_adu for image in images.images if image.signal_adu is not None]
        return cls(
            _concatenate([image.observation_adu for image in images.images], device),
            _concatenate([image.usable for image in images.images], device),
            _concatenate([image.held_out for image in images.images], device),
            _concatenate(signals, device) if signals else None,
            (torch.tensor(pixels).cumsum(0) - torch.tensor(pixels)).to(device),
            size_yx.to(device),
            cumulative.to(device),
        )

    def draw(self, preset: TrainingPreset, generator: torch.Generator, *, masked: bool = True) -> FixedBatch:
        """Sample the patches of one step like `TrainingImages.draw`, with a generator on the device."""
        device = generator.device
        count, side_px = preset.patches_per_step, preset.patch_px
        uniform = torch.rand((3, count), generator=generator, device=device, dtype=torch.float64)
        last = len(self.cumulative) - 1
        chosen = torch.searchsorted(self.cumulative, uniform[0], right=True).clamp(max=last)
        symmetry = torch.randint(SYMMETRIES, (count,), generator=generator, device=device)
        size_yx = self.size_yx[:, chosen]
        corner_yx = (uniform[1:] * (size_yx - side_px + 1)).long()
        source = _symmetry_indices(side_px, device)[symmetry]
        y, x = source // side_px + corner_yx[0, :, None, None], source % side_px + corner_yx[1, :, None, None]
        pixel = self.first[chosen, None, None] + y * size_yx[1, :, None, None] + x

        observation, usable = self.observation_adu[pixel], self.usable[pixel]
        trainable = usable & ~self.held_out[pixel]
        if self.signal_adu is not None or not masked:
            target = observation if self.signal_adu is None else self.signal_adu[pixel]
            image = filled(observation, usable)
            return FixedBatch(image, target.flatten(1), _weights(trainable.flatten(1)))
        blind_px = _blind_px(preset, symmetry)
        at = _one_per_box(trainable.shape, mask_spacing_px(preset), generator)
        image, replaced = _replace(observation, at, trainable, usable, blind_px, preset, generator)
        return FixedBatch(
            filled(image, usable),
            observation.flatten(1).gather(1, at.clamp_min(0)),
            _weights(replaced),
            at.clamp_min(0),
        )


def _concatenate(parts: list[Tensor], device: torch.device) -> Tensor:
    # Copied one by one, to avoid a second copy of all of them in host memory.
    whole = torch.empty(sum(part.numel() for part in parts), dtype=parts[0].dtype, device=device)
    first = 0
    for part in parts:
        whole[first : first + part.numel()] = part.flatten()
        first += part.numel()
    return whole


def _symmetry_indices(side_px: int, device: torch.device) -> Tensor:
    """Return the source index y * side + x of each pixel of a patch in all symmetries: (8, side, side)."""
    upright = torch.arange(side_px**2, device=device).view(side_px, side_px)
    return torch.stack([apply_symmetry(upright, symmetry) for symmetry in range(SYMMETRIES)])


def _weights(targets: Tensor) -> Tensor:
    return targets / targets.sum().clamp_min(1)


def _blind_px(preset: TrainingPreset, symmetry: Tensor) -> Tensor:
    """Return the blind pixels (2, B) along y and x of each patch, which rotate with it."""
    sideways = symmetry % 2 == 1
    blind_y = torch.where(sideways, preset.blind_x_px, preset.blind_y_px)
    blind_x = torch.where(sideways, preset.blind_y_px, preset.blind_x_px)
    return torch.stack([blind_y, blind_x])


def _one_per_box(shape: torch.Size, box_px: int, generator: torch.Generator) -> Tensor:
    """Choose a pixel (y * W + x) in each box of a grid, -1 if it lies outside the image: (B, boxes)."""
    patches, height, width = shape
    rows, columns = -(-height // box_px), -(-width // box_px)
    device = generator.device
    inside_y, inside_x = torch.randint(
        box_px, (2, patches, rows, columns), generator=generator, device=device
    )
    y = inside_y + box_px * torch.arange(rows, device=device)[:, None]
    x = inside_x + box_px * torch.arange(columns, device=device)
    return torch.where((y < height) & (x < width), y * width + x, -1).flatten(1)


def _replace(
    image: Tensor,
    at: Tensor,
    maskable: Tensor,
    usable: Tensor,
    blind_px: Tensor,
    preset: TrainingPreset,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Replace the pixels `at` (B, T) and their blind neighbours by random pixels of their neighbourhood.

    Return the image (B, H, W) and a mask (B, T) of replaced pixels: maskable ones with a usable neighbour.
    """
    _, height, width = image.shape
    most_blind_px = max(preset.blind_y_px, preset.blind_x_px)
    radius_px = most_blind_px + NEIGHBOURHOOD_RADIUS_PX
    reach = torch.arange(-radius_px, radius_px + 1, device=image.device)
    offset_y, offset_x = (grid.flatten() for grid in torch.meshgrid(reach, reach, indexing="ij"))
    near_y = (at.clamp_min(0) // width)[..., None] + offset_y
    near_x = (at.clamp_min(0) % width)[..., None] + offset_x
    inside = (near_y >= 0) & (near_y < height) & (near_x >= 0) & (near_x < width)
    near = near_y.clamp(0, height - 1) * width + near_x.clamp(0, width - 1)  # (B, T, neighbours)
    blind = (offset_y.abs() <= blind_px[0, :, None]) & (offset_x.abs() <= blind_px[1, :, None])
    seen = usable.flatten(1).gather(1, near.flatten(1)).view_as(near)
    candidates = inside & ~blind[:, None] & seen
    replaced = (at >= 0) & maskable.flatten(1).gather(1, at.clamp_min(0)) & candidates.any(dim=2)

    pixels = image.flatten(1)
    places, sources, written = [], [], []
    side = 2 * radius_px + 1
    hidden = range(NEIGHBOURHOOD_RADIUS_PX, side - NEIGHBOURHOOD_RADIUS_PX)
    for neighbour in (row * side + column for row in hidden for column in hidden):
        # The argmax of i.i.d. random numbers is a uniform choice among the candidates.
        draw = torch.rand(candidates.shape, generator=generator, device=image.device)
        source = draw.masked_fill_(~candidates, -1.0).argmax(dim=2, keepdim=True)
        places.append(near[..., neighbour])
        sources.append(near.gather(2, source)[..., 0])
        written.append(replaced & blind[:, neighbour, None] & inside[..., neighbour])
    # Blind spots may overlap: the last write wins explicitly, because GPU threads have no defined order.
    place, source = torch.cat(places, dim=1), torch.cat(sources, dim=1)
    order = torch.arange(place.shape[1], device=image.device).expand_as(place)
    order = torch.where(torch.cat(written, dim=1), order, -1)
    last = torch.full_like(pixels, -1, dtype=torch.long).scatter_reduce(1, place, order, "amax")
    values = pixels.gather(1, source.gather(1, last.clamp_min(0)))
    return torch.where(last >= 0, values, pixels).view_as(image), replaced
