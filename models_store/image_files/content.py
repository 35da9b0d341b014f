"""Whether the pixels of an image carry information; looks at a few planes of a stack."""

import numpy as np

from models_store.errors import ImageContentError
from models_store.image_files.planes import PlaneReader

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def check_content(planes: PlaneReader, *, budget_bytes: int = 2**28) -> None:
    """Decode the first, middle and last plane, as far as the budget goes (the first in any case).

    Raises ImageContentError if a pixel is not finite or all are equal, ImageCorruptError if a plane is
    broken.
    """
    count = len(planes)
    affordable = max(1, budget_bytes * count // max(1, planes.header.decoded_bytes))
    lowest, highest = np.inf, -np.inf
    for plane in sorted({0, count // 2, count - 1})[:affordable]:
        plane_yx = planes[plane].astype(np.float64)
        bad = int(plane_yx.size - np.isfinite(plane_yx).sum())
        if bad:
            raise ImageContentError(
                f"Plane {plane} has {bad} pixels of {plane_yx.size} that are not finite (NaN or infinite); "
                "crop them away or replace them."
            )
        lowest, highest = min(lowest, float(plane_yx.min())), max(highest, float(plane_yx.max()))
    if lowest == highest:
        raise ImageContentError(f"All pixels have the same value ({lowest:g}); there is nothing to denoise.")
    if max(abs(lowest), abs(highest)) > _FLOAT32_MAX:
        raise ImageContentError("Pixel values exceed the range of 32 bit floats; rescale the image.")
