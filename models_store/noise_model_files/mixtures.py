"""Gaussian mixture noise models in the `.npz` format of the published PN2V code."""

import io
import lzma
import math
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models_store.contracts.noise_model_limits import MAX_COEFFICIENTS, MAX_COMPONENTS
from models_store.contracts.noise_models import GmmParameters
from models_store.errors import NoiseModelInvalidError
from models_store.noise_model_files.numpy_arrays import read_array

MAX_FILE_BYTES = 1 << 20

# Errors observed when reading broken archives.
BROKEN_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)

# The published likelihood adds this density and extrapolates its polynomials: the defaults of a file that
# holds neither member below.
_PUBLISHED_OUTLIER_DENSITY_PER_ADU = 1e-10

# Additional members, ignored by the published code, that make export and import lossless.
_OUTLIER_DENSITY = "outlier_density_per_adu"
_EXTRAPOLATE = "extrapolate"


def read_mixture(content: bytes) -> GmmParameters:
    """Read an `.npz` file.

    Raises NoiseModelInvalidError if it is not an archive, or an array is missing, too large, of a wrong shape
    or not finite.
    """
    if len(content) > MAX_FILE_BYTES:
        raise NoiseModelInvalidError(
            f"an .npz noise model has at most {MAX_FILE_BYTES} bytes, not {len(content)}"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            arrays = {
                info.filename.removesuffix(".npy"): _array(archive, info)
                for info in archive.infolist()
                if info.filename.removesuffix(".npy") in _MEMBERS
            }
    except BROKEN_ARCHIVE_ERRORS as error:
        raise NoiseModelInvalidError(f"the file is not an .npz archive: {error}") from error
    weights = arrays.get("trained_weight")
    if weights is None:
        raise NoiseModelInvalidError("the file has no array 'trained_weight'")
    signal_min_adu, signal_max_adu = (_number(arrays, name) for name in ("min_signal", "max_signal"))
    variance_floor_adu2 = _number(arrays, "min_sigma")
    outlier_density_per_adu = _number(arrays, _OUTLIER_DENSITY, _PUBLISHED_OUTLIER_DENSITY_PER_ADU)
    _validate_weights(weights)
    if not -math.inf < signal_min_adu < signal_max_adu < math.inf:
        raise NoiseModelInvalidError("'min_signal' must be below 'max_signal', and both must be finite")
    if not 0 < variance_floor_adu2 < math.inf:
        raise NoiseModelInvalidError("'min_sigma' (a variance, ADU^2) must be positive and finite")
    if not 0 <= outlier_density_per_adu < 1:
        raise NoiseModelInvalidError("'outlier_density_per_adu' must be at least 0 and below 1")
    return GmmParameters(
        weights=weights.tolist(),
        signal_min_adu=signal_min_adu,
        signal_max_adu=signal_max_adu,
        variance_floor_adu2=variance_floor_adu2,
        outlier_density_per_adu=outlier_density_per_adu,
        extrapolate=bool(_number(arrays, _EXTRAPOLATE, 1.0)),
    )


def write_mixture(parameters: GmmParameters) -> bytes:
    """Write the `.npz` file of a Gaussian mixture noise model, readable by the published code."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        trained_weight=np.asarray(parameters.weights, dtype=np.float32),
        min_signal=np.array([parameters.signal_min_adu], dtype=np.float32),
        max_signal=np.array([parameters.signal_max_adu], dtype=np.float32),
        min_sigma=np.array(parameters.variance_floor_adu2, dtype=np.float64),
        outlier_density_per_adu=np.array(parameters.outlier_density_per_adu, dtype=np.float64),
        extrapolate=np.array(parameters.extrapolate, dtype=np.float64),
    )
    return buffer.getvalue()


_MEMBERS = {"trained_weight", "min_signal", "max_signal", "min_sigma", _OUTLIER_DENSITY, _EXTRAPOLATE}


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[np.float64]:
    if info.file_size > MAX_FILE_BYTES:
        raise NoiseModelInvalidError(
            f"{info.filename} claims {info.file_size} bytes, too many for a noise model; at most "
            f"{MAX_FILE_BYTES} are accepted"
        )
    with archive.open(info) as member:
        array, rest = read_array(member.read(MAX_FILE_BYTES), info.filename)
    if rest:
        raise NoiseModelInvalidError(f"{info.filename} holds more than one array, expected one")
    return array


def _number(arrays: Mapping[str, NDArray[np.float64]], name: str, default: float | None = None) -> float:
    if name not in arrays:
        if default is None:
            raise NoiseModelInvalidError(f"the file has no array {name!r}")
        return default
    if arrays[name].size != 1:
        raise NoiseModelInvalidError(f"{name!r} holds {arrays[name].size} numbers, expected one")
    return float(arrays[name].reshape(-1)[0])


def _validate_weights(weights: NDArray[np.float64]) -> None:
    if weights.ndim != 2 or weights.shape[0] % 3 or 0 in weights.shape:  # noqa: PLR2004  # rows and columns
        raise NoiseModelInvalidError(f"'trained_weight' has shape {weights.shape}, expected (3K, n)")
    if weights.shape[0] > 3 * MAX_COMPONENTS or weights.shape[1] > MAX_COEFFICIENTS:
        raise NoiseModelInvalidError(
            f"'trained_weight' has shape {weights.shape}, at most {(3 * MAX_COMPONENTS, MAX_COEFFICIENTS)}"
        )
    if not np.isfinite(weights).all():
        raise NoiseModelInvalidError("'trained_weight' holds values that are not finite")
