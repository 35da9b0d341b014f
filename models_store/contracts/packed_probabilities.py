"""Text encoding of a square matrix of probabilities: base64 of zlib of float32, row-major."""

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
        # Values beyond float32 become infinite, which validation rejects.
        content = np.ascontiguousarray(probabilities, dtype=_FLOAT).tobytes()
    return base64.b64encode(zlib.compress(content)).decode()


def unpack(text: str, bins: int) -> NDArray[np.float32]:
    """Return the packed matrix (bins, bins); ValueError if the text does not hold one of this size."""
    shape = (bins, bins)
    expected = math.prod(shape) * _FLOAT.itemsize
    decoder = zlib.decompressobj()
    try:
        # The limit guards against decompression bombs.
        content = decoder.decompress(base64.b64decode(text, validate=True), expected + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"the packed probabilities cannot be decoded: {error}") from error
    if len(content) != expected:
        raise ValueError(f"the packed probabilities are not {bins} x {bins}")
    return np.frombuffer(content, dtype=_FLOAT).reshape(shape)
