"""Planes as tensors."""

import numpy as np
import torch
from torch import Tensor


def float_tensor(plane_yx: np.ndarray) -> Tensor:
    """Return a plane (Y, X) as float32, in the memory of an array of that type: do not write to it."""
    array = np.asarray(plane_yx, dtype=np.float32)
    shares = array.flags.writeable and all(stride > 0 for stride in array.strides)
    return torch.from_numpy(array) if shares else torch.tensor(array)
