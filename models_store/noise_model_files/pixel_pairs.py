"""Counts of the pixel pairs that noise models were fitted to, in compressed NumPy files (.npz)."""

import io
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_CURVE_POINTS = 64


@dataclass(frozen=True, eq=False)
class PhotonTransferPoints:
    """Signal (ADU), variance of the observations about it (ADU^2) and number of pixels, by rising signal."""

    signal_adu: FloatArray
    variance_adu2: FloatArray
    pixels: FloatArray


@dataclass(frozen=True, eq=False)
class PixelPairs:
    """Occupied cells, each in a row of similar signals; deviations are observation minus signal, in ADU.

    `signal_adu` (mean) and `saturated` (pixels) are per row; `row`, `deviation_adu` and `count` per cell.
    `axes` are origin and scale of the signals and scale of the deviations, as they were counted.
    """

    axes: FloatArray
    signal_adu: FloatArray
    saturated: IntArray
    row: IntArray
    deviation_adu: FloatArray
    count: IntArray
    step_adu: float
    not_finite: int

    @property
    def pairs(self) -> int:
        return int(self.count.sum())

    def to_bytes(self) -> bytes:
        """Return a file with the same bytes for the same counts."""
        deviation_adu, column = np.unique(self.deviation_adu, return_inverse=True)
        arrays = asdict(self) | {
            "deviation_adu": deviation_adu,
            "column": column.astype(np.uint16),
            "row": self.row.astype(np.uint16),
            "count": self.count.astype(np.min_scalar_type(self.count.max())),
        }
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(
                axes=arrays["axes"],
                signal_adu=arrays["signal_adu"],
                saturated=arrays["saturated"],
                row=arrays["row"].astype(np.int64),
                deviation_adu=arrays["deviation_adu"][arrays["column"]],
                count=arrays["count"].astype(np.int64),
                step_adu=float(arrays["step_adu"]),
                not_finite=int(arrays["not_finite"]),
            )

    def photon_transfer_curve(self) -> PhotonTransferPoints:
        """Return the variance of the observations in groups of neighbouring rows."""
        moments = [np.bincount(self.row, self.count * self.deviation_adu**power) for power in range(3)]
        first = np.arange(0, len(self.signal_adu), -(-len(self.signal_adu) // _MAX_CURVE_POINTS))
        pixels, mean, square, signal = (
            np.add.reduceat(each, first) for each in (*moments, moments[0] * self.signal_adu)
        )
        mean, square, signal = mean / pixels, square / pixels, signal / pixels
        return PhotonTransferPoints(signal, square - mean**2, pixels)
