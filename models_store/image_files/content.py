"""Check that an image's pixels carry information, on a few planes of a stack."""

import numpy as np

from models_store.errors import ImageContentError
from models_store.image_files.header import MIN_SIDE_PX
from models_store.image_files.planes import PlaneSource

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_MIN_FINITE_PX = MIN_SIDE_PX**2


def check_content(planes: PlaneSource, *, budget_bytes: int = 2**28) -> None:
    """Decode and check the first, middle and last plane, as far as the budget allows (at least the first).

    Pixels that are not finite are ignored; registered stacks have them at the borders. Raises
    ImageContentError if the finite ones are too few, all equal, or beyond float32; ImageCorruptError if a
    plane is broken.
    """
    count = len(planes)
    affordable = max(1, budget_bytes * count // max(1, planes.header.decoded_bytes))
    finite, lowest, highest = 0, np.inf, -np.inf
    for plane in sorted({0, count // 2, count - 1})[:affordable]:
        plane_yx = planes[plane]
        values = plane_yx[np.isfinite(plane_yx)]
        if values.size:
            finite += values.size
            lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    if finite < _MIN_FINITE_PX:
        raise ImageContentError(
            f"only {finite} pixels are finite numbers; at least {_MIN_FINITE_PX} are needed"
        )
    if lowest == highest:
        raise ImageContentError(f"all pixels have the same value ({lowest:g}); there is nothing to denoise")
    if max(abs(lowest), abs(highest)) > _FLOAT32_MAX:
        raise ImageContentError("pixel values exceed the range of 32-bit floats; rescale the image")
