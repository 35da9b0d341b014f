"""Values for pixels without one, from their neighbourhood."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.planes.strips import strips

Level = Callable[[int, int], tuple[Tensor, Tensor]]
"""Returns weights and weighted values (B, 1, rows, W) of some rows, given by the first and the end."""


def filled(images: Tensor, usable: Tensor) -> Tensor:
    """Return images (B, H, W) with pixels outside `usable` (bool) replaced by the mean of usable ones nearby.

    The mean is over 3 x 3 pixels or, if all of them are unusable, over 3 x 3 blocks of 2, 4, 8, ... px. An
    image without usable pixels keeps its values. Large images are filled strip by strip.
    """
    result, missing = images.clone(), ~usable
    height, width = images.shape[1:]

    def pixels(first: int, end: int) -> tuple[Tensor, Tensor]:
        known = usable[:, None, first:end]
        return known.to(images.dtype), torch.where(known, images[:, None, first:end], 0.0)

    level: Level = pixels
    block_px = 1
    while True:
        _fill_from(level, block_px, result, missing)
        # On a GPU without a look at the values, which would synchronise with it.
        if block_px >= max(height, width) or (result.is_cpu and not bool(missing.any())):
            return result
        level = _halved(level, (-(-height // block_px), -(-width // block_px)))
        block_px *= 2


def _fill_from(level: Level, block_px: int, result: Tensor, missing: Tensor) -> None:
    """Fill missing pixels (B, H, W) from the blocks of a level, in place."""
    height, width = result.shape[1:]
    blocks_y, blocks_x = -(-height // block_px), -(-width // block_px)
    for rows in strips((blocks_y, blocks_x), pixels_each=block_px**2):
        place = (slice(None), slice(rows.start * block_px, min(rows.stop * block_px, height)))
        unknown = missing[place]
        if result.is_cpu and not bool(unknown.any()):
            continue
        first, end = max(rows.start - 1, 0), min(rows.stop + 1, blocks_y)
        share, total = (functional.avg_pool2d(part, 3, stride=1, padding=1) for part in level(first, end))
        nearby = torch.where(share > 0, total / share.clamp_min(torch.finfo(share.dtype).tiny), torch.nan)
        nearby = nearby[:, 0, rows.start - first : rows.stop - first]
        for axis in (1, 2):
            nearby = nearby.repeat_interleave(block_px, dim=axis)
        nearby = nearby[:, : unknown.shape[1], :width]
        found = unknown & ~nearby.isnan()
        result[place] = torch.where(found, nearby, result[place])
        missing[place] = unknown & ~found


def _halved(level: Level, shape: tuple[int, int]) -> Level:
    """Return the next level: the means of 2 x 2 blocks of this one."""
    parts = [
        [functional.avg_pool2d(each, 2, ceil_mode=True) for each in level(rows.start, rows.stop)]
        for rows in strips(shape, multiple=2)
    ]
    weight, value = (torch.cat(each, dim=2) for each in zip(*parts, strict=True))
    return lambda first, end: (weight[:, :, first:end], value[:, :, first:end])
