"""Values for pixels without one, from their neighbourhood."""

import torch
from torch import Tensor
from torch.nn import functional


def filled(images: Tensor, usable: Tensor) -> Tensor:
    """Return images (B, H, W) with pixels outside `usable` (bool) replaced by the mean of usable ones nearby.

    The mean is over 3 x 3 pixels or, if all of them are unusable, over 3 x 3 blocks of 2, 4, 8, ... px. An
    image without usable pixels keeps its values.
    """
    _, height, width = images.shape
    weight = usable[:, None].to(images.dtype)
    value = torch.where(usable, images, 0.0)[:, None]
    result, missing = images, ~usable
    block_px = 1
    while True:
        share, total = (functional.avg_pool2d(part, 3, stride=1, padding=1) for part in (weight, value))
        nearby = torch.where(share > 0, total / share.clamp_min(torch.finfo(share.dtype).tiny), torch.nan)
        for axis in (2, 3):
            nearby = nearby.repeat_interleave(block_px, dim=axis)
        nearby = nearby[:, 0, :height, :width]
        # Without a look at the values: that would synchronise with the GPU.
        found = missing & ~nearby.isnan()
        result, missing = torch.where(found, nearby, result), missing & ~found
        if block_px >= max(height, width):
            return result
        block_px *= 2
        weight, value = (functional.avg_pool2d(part, 2, ceil_mode=True) for part in (weight, value))
