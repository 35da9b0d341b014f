"""Histogram noise models in the `.npy` format of the published PN2V code."""

import io

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from models_store.contracts.noise_model_limits import MAX_BINS
from models_store.contracts.noise_models import HistogramParameters
from models_store.contracts.packed_probabilities import pack, unpack
from models_store.errors import NoiseModelInvalidError
from models_store.noise_model_files.numpy_arrays import read_array

MAX_FILE_BYTES = 3 * MAX_BINS**2 * 8 + 4096
_LAYERS = 3

# Floor that the published code puts into every bin; it adds nothing at look-up.
_PUBLISHED_UNSEEN_PROBABILITY = 1e-30


def read_histogram(content: bytes) -> HistogramParameters:
    """Read an array (3, B, B): probabilities, lower edges, upper edges.

    A second array, which the published code ignores, holds the parameters in which our models differ; a file
    without it has the published semantics. Raises NoiseModelInvalidError.
    """
    if len(content) > MAX_FILE_BYTES:
        raise NoiseModelInvalidError(
            f"the file has {len(content)} bytes; a histogram may have at most {MAX_BINS} bins, which take at "
            f"most {MAX_FILE_BYTES} bytes"
        )
    layers, ours = read_array(content, "the file")
    if layers.ndim != _LAYERS or layers.shape[0] != _LAYERS or layers.shape[1] != layers.shape[2]:
        raise NoiseModelInvalidError(f"the histogram has shape {layers.shape}, expected (3, B, B)")
    if not np.isfinite(layers).all():
        raise NoiseModelInvalidError("the histogram holds values that are not finite")
    probabilities, lower, upper = layers
    if not probabilities.size:
        raise NoiseModelInvalidError("the histogram has no bins")
    _require_even_edges(lower, upper)
    published_interpolation, unseen_probability = _interpretation(ours)
    try:
        return HistogramParameters(
            bins=len(probabilities),
            signal_min_adu=float(lower.min()),
            signal_max_adu=float(upper.max()),
            published_interpolation=published_interpolation,
            unseen_probability=unseen_probability,
            probabilities=pack(probabilities),
        )
    except ValidationError as error:
        reasons = "; ".join(str(each["msg"]) for each in error.errors())
        raise NoiseModelInvalidError(f"the file is not a histogram noise model: {reasons}") from error


def write_histogram(parameters: HistogramParameters) -> bytes:
    """Write the `.npy` file of a histogram noise model, readable by the published code."""
    edges = np.linspace(parameters.signal_min_adu, parameters.signal_max_adu, parameters.bins + 1)
    probabilities = unpack(parameters.probabilities, parameters.bins)
    lower, upper = (np.broadcast_to(of[:, None], probabilities.shape) for of in (edges[:-1], edges[1:]))
    buffer = io.BytesIO()
    np.save(buffer, np.stack([probabilities, lower, upper]))
    np.save(buffer, np.array([parameters.published_interpolation, parameters.unseen_probability]))
    return buffer.getvalue()


def _interpretation(content: bytes) -> tuple[bool, float]:
    if not content:
        return True, _PUBLISHED_UNSEEN_PROBABILITY
    numbers, _ = read_array(content, "the second array")
    if numbers.shape != (2,):
        raise NoiseModelInvalidError(
            f"the second array has shape {numbers.shape}, expected (2,): published interpolation (0 or 1) "
            "and probability of unseen observations"
        )
    return bool(numbers[0]), float(numbers[1])


def _require_even_edges(lower: NDArray[np.float64], upper: NDArray[np.float64]) -> None:
    with np.errstate(all="ignore"):
        width = (upper.max() - lower.min()) / len(lower)
        rising = lower.min() + width * np.arange(len(lower))[:, np.newaxis]
        even = all(
            np.allclose((of - rising) / width, bins, atol=0.05) for of, bins in ((lower, 0), (upper, 1))
        )
    if not (0 < width < np.inf and even):
        raise NoiseModelInvalidError(
            "the second and third layer must be lower and upper edges of even bins, rising from row to row"
        )
