"""Pixel masking of Noise2Void: blind spots whose value a network must predict without seeing it."""

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURHOOD_RADIUS_PX = 2


@dataclass(frozen=True, eq=False)
class MaskedPatches:
    """Patches with some pixels replaced; `patch`, `y`, `x` (M,) are the indices of those pixels."""

    image: Tensor  # (B, H, W)
    patch: Tensor
    y: Tensor
    x: Tensor

    def at_masked(self, values: Tensor) -> Tensor:
        """Gather values (B, H, W, ...) at the masked pixels: (M, ...)."""
        return values[self.patch, self.y, self.x]


def mask_patches(
    image: Tensor,
    *,
    maskable: Tensor,
    usable: Tensor,
    box_px: int,
    blind_px: Tensor | None = None,
    generator: torch.Generator,
) -> MaskedPatches:
    """Replace one random pixel in each box of a grid by a random other pixel of its 5x5 neighbourhood.

    image (B, H, W); only `maskable` pixels are masked, and only `usable` ones (both (B, H, W) bool) serve as
    replacements. A pixel without a usable neighbour is not masked. `blind_px` (B, 2) widens the blind spot
    by this many pixels on either side along y and x, which are replaced too but carry no loss (structN2V,
    Broaddus et al. 2020). `generator` is on the CPU.
    """
    batch, height, width = image.shape
    rows, columns = -(-height // box_px), -(-width // box_px)
    inside_y, inside_x = torch.randint(box_px, (2, batch, rows, columns), generator=generator)
    y = (inside_y + torch.arange(rows)[:, None] * box_px).flatten()
    x = (inside_x + torch.arange(columns) * box_px).flatten()
    patch = torch.arange(batch).repeat_interleave(rows * columns)
    # Boxes at the lower and right border may extend beyond the image; positions outside are dropped.
    exists = (y < height) & (x < width)
    patch, y, x = patch[exists], y[exists], x[exists]
    chosen = maskable[patch, y, x]
    return _replace(image, usable, (patch[chosen], y[chosen], x[chosen]), blind_px, generator)


def mask_pixels(
    image: Tensor,
    *,
    mask: Tensor,
    usable: Tensor,
    blind_px: Tensor | None = None,
    generator: torch.Generator,
) -> MaskedPatches:
    """Replace the pixels set in `mask` (B, H, W) bool; otherwise like `mask_patches`."""
    return _replace(image, usable, mask.nonzero(as_tuple=True), blind_px, generator)


def _replace(
    image: Tensor,
    usable: Tensor,
    pixels: tuple[Tensor, ...],
    blind_px: Tensor | None,
    generator: torch.Generator,
) -> MaskedPatches:
    patch, y, x = pixels
    _, height, width = image.shape
    if blind_px is None:
        blind_px = torch.zeros((len(image), 2), dtype=torch.long)
    radius_px = int(blind_px.max()) + NEIGHBOURHOOD_RADIUS_PX
    reach = torch.arange(-radius_px, radius_px + 1)
    offset_y, offset_x = (grid.flatten() for grid in torch.meshgrid(reach, reach, indexing="ij"))
    neighbour_y, neighbour_x = y[:, None] + offset_y, x[:, None] + offset_x
    inside = (neighbour_y >= 0) & (neighbour_y < height) & (neighbour_x >= 0) & (neighbour_x < width)
    neighbour_y, neighbour_x = neighbour_y.clamp(0, height - 1), neighbour_x.clamp(0, width - 1)
    blind = (offset_y.abs() <= blind_px[patch, :1]) & (offset_x.abs() <= blind_px[patch, 1:])
    candidates = inside & ~blind & usable[patch[:, None], neighbour_y, neighbour_x]

    replaceable = candidates.any(dim=1)
    patch, y, x = patch[replaceable], y[replaceable], x[replaceable]
    candidates, blind = candidates[replaceable], (blind & inside)[replaceable]
    neighbour_y, neighbour_x = neighbour_y[replaceable], neighbour_x[replaceable]
    rows = torch.arange(len(patch))
    replaced = image.clone()
    for offset in blind.any(dim=0).nonzero().flatten().tolist():
        # The argmax of i.i.d. random numbers is a uniform choice among the candidates.
        draw = torch.rand(candidates.shape, generator=generator).masked_fill(~candidates, -1.0).argmax(dim=1)
        values = image[patch, neighbour_y[rows, draw], neighbour_x[rows, draw]]
        blinded = blind[:, offset]
        at_y, at_x = neighbour_y[blinded, offset], neighbour_x[blinded, offset]
        replaced[patch[blinded], at_y, at_x] = values[blinded]
    return MaskedPatches(replaced, patch, y, x)
