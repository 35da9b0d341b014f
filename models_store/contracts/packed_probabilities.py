"""A square of probabilities as one line of text: base64 of zlib of float32, row by row."""

import base64
import binascii
import math
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FLOAT = np.dtype("<f4")


def pack(probabilities: NDArray[np.floating] | Sequence[Sequence[float]]) -> str:
    with np.errstate(over="ignore"):
        # What is too large becomes infinite, and that is no probability either.
        content = np.ascontiguousarray(probabilities, dtype=_FLOAT).tobytes()
    return base64.b64encode(zlib.compress(content)).decode()


def unpack(text: str, bins: int) -> NDArray[np.float32]:
    """Inverse of `pack`: (bins, bins); ValueError for a text that does not hold exactly these."""
    shape = (bins, bins)
    expected = math.prod(shape) * _FLOAT.itemsize
    decoder = zlib.decompressobj()
    try:
        # Not more than what is expected is ever expanded.
        content = decoder.decompress(base64.b64decode(text, validate=True), expected + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"no packed probabilities: {error}") from error
    if len(content) != expected:
        raise ValueError(f"the packed probabilities are not {bins} x {bins}")
    return np.frombuffer(content, dtype=_FLOAT).reshape(shape)
