"""Numeric arrays in NumPy's file format; never unpickles, nor allocates memory a header merely claims."""

import io
import math
import tokenize

import numpy as np
from numpy.typing import NDArray

from models_store.errors import NoiseModelInvalidError

# A header is a Python literal; these errors were observed when evaluating and using broken ones.
_BROKEN_HEADER_ERRORS = (
    ValueError,
    TypeError,
    IndexError,
    MemoryError,
    RecursionError,
    OverflowError,
    tokenize.TokenError,
)


def read_array(content: bytes, name: str) -> tuple[NDArray[np.float64], bytes]:
    """Return an array as float64, and the bytes that follow it.

    Raises NoiseModelInvalidError, with `name`, if there is no complete numeric array.
    """
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran_order, dtype = read_header(stream)
        values = stream.read()
        size = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "fiub" or min(shape, default=0) < 0 or size > len(values):
            raise NoiseModelInvalidError(f"{name} is not a complete array of numbers")
        with np.errstate(over="ignore"):
            flat = np.frombuffer(values[:size], dtype=dtype).astype(np.float64)
        return flat.reshape(shape, order="F" if fortran_order else "C"), values[size:]
    except _BROKEN_HEADER_ERRORS as error:
        raise NoiseModelInvalidError(f"{name} is not a NumPy array: {error}") from error
