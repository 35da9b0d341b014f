"""The histogram noise model p(observation | signal)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models_store.contracts.noise_model_limits import MAX_BINS
from worker.engine.errors import NoiseFitError, NoiseModelInvalidError

# This number of pixels determines the variance of a signal to about 14 %.
_MIN_PAIRS = 100
# A row sums to 1 if its signal was observed, else to almost 0.
_OCCUPIED = 0.5


@dataclass(frozen=True, eq=False)
class HistogramNoiseModel:
    """Probabilities (B, B) of observations (columns) given signals (rows), both binned over one range (ADU).

    Interpolated linearly between rows, to be differentiable by the signal: between the rows' centres, or,
    with `published_interpolation`, between their lower edges as in the published code (Krull et al. 2020).
    """

    probabilities: Tensor
    min_adu: float
    max_adu: float
    published_interpolation: bool = False
    unseen_probability: float = 1e-10
    """Added to each bin, so that no observation is impossible."""

    def __post_init__(self) -> None:
        if self.probabilities.ndim != 2 or len(set(self.probabilities.shape)) != 1:  # noqa: PLR2004
            raise NoiseModelInvalidError(
                f"probabilities have shape {tuple(self.probabilities.shape)}, expected (B, B)"
            )
        if not 2 <= self.bins <= MAX_BINS:  # noqa: PLR2004
            raise NoiseModelInvalidError(f"{self.bins} bins, expected 2 to {MAX_BINS}")
        if not bool(((self.probabilities >= 0) & (self.probabilities <= 1)).all()):
            raise NoiseModelInvalidError("probabilities must be in 0 .. 1")
        if not 0 < self.unseen_probability < 1:
            raise NoiseModelInvalidError(f"unseen probability {self.unseen_probability} must be in 0 .. 1")
        if not bool((self.probabilities.sum(dim=1) > _OCCUPIED).any()):
            raise NoiseModelInvalidError("no signal was seen: every row of the probabilities is empty")
        if not -math.inf < self.min_adu < self.max_adu < math.inf:
            raise NoiseModelInvalidError(
                f"range {self.min_adu} .. {self.max_adu} must be finite and not empty"
            )

    @property
    def bins(self) -> int:
        """Number of bins B."""
        return self.probabilities.shape[0]

    @property
    def signal_min_adu(self) -> float:
        """Lowest signal; signals have the same range as observations."""
        return self.min_adu

    @property
    def signal_max_adu(self) -> float:
        return self.max_adu

    @property
    def bin_width_adu(self) -> float:
        return (self.max_adu - self.min_adu) / self.bins

    def log_likelihood(self, observation: Tensor, signal: Tensor) -> Tensor:
        """Return the log density (nats, finite) of `observation` given `signal` (ADU, broadcasting)."""
        column = self._bin(observation).floor().long()
        row, fraction = self._row(signal)
        below, above = self.probabilities[row, column], self.probabilities[row + 1, column]
        return (below + fraction * (above - below) + self.unseen_probability).log() - math.log(
            self.bin_width_adu
        )

    def variance_adu2(self, signal: Tensor) -> Tensor:
        """Return the noise variance at `signal` with Sheppard's correction for binning, in its shape."""
        row, fraction = self._row(signal)
        variance = self._row_variance_adu2
        return variance[row] + fraction * (variance[row + 1] - variance[row])

    def sample(self, signal: Tensor, generator: torch.Generator) -> Tensor:
        """Sample an observation of each `signal`, ADU, in its shape; the generator must be on its device."""
        row, fraction = self._row(signal)
        # Sample from one of the two rows, with its interpolation weight as probability.
        upper, draw = torch.rand((2, *signal.shape), generator=generator, device=signal.device)
        row = self._nearest_occupied[row + (upper < fraction)].flatten()
        place = torch.searchsorted(self._stacked_cdf, row + draw.flatten().double(), right=True)
        bins_away = place.clamp(max=len(self._stacked_cdf) - 1) - row * self.bins - row
        observation: Tensor = signal + (bins_away * self.bin_width_adu).to(signal.dtype).view_as(signal)
        return observation

    def cumulative(self, observation: Tensor, signal: Tensor) -> Tensor:
        """Return the cumulative distribution function at `observation` given `signal` (ADU, same shape)."""
        row, fraction = self._row(signal)
        position = ((observation - self.min_adu) / self.bin_width_adu).clamp(0.0, self.bins)
        column = position.floor().clamp(max=self.bins - 1)
        inside = position - column
        below, above = self._sums[row, column.long()], self._sums[row + 1, column.long()]
        below = below + inside * self.probabilities[row, column.long()]
        above = above + inside * self.probabilities[row + 1, column.long()]
        return below + fraction * (above - below)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        return replace(self, probabilities=self.probabilities.to(device=device, dtype=dtype))

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as JSON-serialisable values."""
        return {
            "kind": "histogram",
            "bins": self.bins,
            "probabilities": self.probabilities.tolist(),
            "signal_min_adu": self.min_adu,
            "signal_max_adu": self.max_adu,
            "published_interpolation": self.published_interpolation,
            "unseen_probability": self.unseen_probability,
        }

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        """Inverse of `parameters`; raise NoiseModelInvalidError for missing or invalid values."""
        if parameters.get("kind") != "histogram":
            raise NoiseModelInvalidError(
                f"noise model of kind {parameters.get('kind')!r}, expected 'histogram'"
            )
        try:
            return cls(
                probabilities=torch.tensor(parameters["probabilities"], dtype=torch.float64),
                min_adu=float(parameters["signal_min_adu"]),
                max_adu=float(parameters["signal_max_adu"]),
                published_interpolation=bool(parameters.get("published_interpolation", False)),
                unseen_probability=float(parameters.get("unseen_probability", 1e-10)),
            )
        except KeyError as error:
            raise NoiseModelInvalidError(f"noise model without {error.args[0]!r}") from error
        except (TypeError, ValueError) as error:
            raise NoiseModelInvalidError(f"noise model with values of the wrong type: {error}") from error

    @cached_property
    def _sums(self) -> Tensor:
        """Cumulative probability below the lower edge of each bin."""
        return self.probabilities.cumsum(dim=1) - self.probabilities

    @cached_property
    def _stacked_cdf(self) -> Tensor:
        """Row index plus cumulative probability of each bin, all rows flattened into one sorted sequence."""
        cumulative = self.probabilities.double().cumsum(dim=1)
        cumulative = cumulative / cumulative[:, -1:].clamp_min(_OCCUPIED)
        return (cumulative + torch.arange(self.bins, device=cumulative.device)[:, None]).flatten()

    @cached_property
    def _row_variance_adu2(self) -> Tensor:
        index = torch.arange(self.bins, dtype=self.probabilities.dtype, device=self.probabilities.device)
        total = self.probabilities.sum(dim=1).clamp_min(1e-30)
        mean = self.probabilities @ index / total
        square = (self.probabilities * (index - mean[:, None]).square()).sum(dim=1) / total
        variance = (square - 1 / 12).clamp_min(1 / 12) * self.bin_width_adu**2
        return variance[self._nearest_occupied]

    @cached_property
    def _nearest_occupied(self) -> Tensor:
        """Index of the nearest occupied row for each row; files of the published code have gaps."""
        occupied = (self.probabilities.sum(dim=1) > _OCCUPIED).nonzero().flatten()
        row = torch.arange(self.bins, device=occupied.device)
        return occupied[(row[:, None] - occupied).abs().argmin(dim=1)]

    def _bin(self, value: Tensor) -> Tensor:
        unit = (value - self.min_adu) / self.bin_width_adu
        return unit.clamp(0.0, self.bins - 1e-3)

    def _row(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row below a signal and the interpolation weight (0 .. 1) of the next row."""
        unit = (signal - self.min_adu) / self.bin_width_adu
        if self.published_interpolation:
            unit = unit.clamp(0.0, self.bins - 1 - 1e-3)
        else:
            unit = (unit - 0.5).clamp(0.0, self.bins - 1)
        row = unit.detach().floor().clamp(max=self.bins - 2)
        return row.long(), unit - row


class HistogramCounts:
    """Counts of pixel pairs for a histogram noise model, accumulated plane by plane."""

    def __init__(self, *, min_adu: float, max_adu: float, step_adu: float = 0.0, bins: int = 256) -> None:
        """Span the range of the data to denoise, widened so that a bin holds whole steps of the detector.

        `step_adu` is the distance between neighbouring observable values, 0 if they are not discrete.
        """
        width = (max_adu - min_adu + step_adu) / bins
        if step_adu > 0:
            width = math.ceil(width / step_adu) * step_adu
            min_adu -= step_adu / 2
        self.min_adu = min_adu
        self.bin_width_adu = width
        self.pairs = 0
        self._count = np.zeros((bins, bins), dtype=np.int64)

    @property
    def max_adu(self) -> float:
        return self.min_adu + len(self._count) * self.bin_width_adu

    def add(
        self,
        observation: NDArray[Any],
        signal: NDArray[Any],
        *,
        saturated: NDArray[np.bool_] | None = None,
        deviation_factor: float | NDArray[np.float64] = 1.0,
    ) -> None:
        """Count the pixels of a plane (ADU) that are finite, not saturated and within the range."""
        signal = signal.astype(np.float64)
        widened = signal + (observation.astype(np.float64) - signal) * deviation_factor
        usable = np.isfinite(widened)
        if saturated is not None:
            usable &= ~saturated
        row, column = self._bin(signal[usable]), self._bin(widened[usable])
        bins = len(self._count)
        within = (row >= 0) & (row < bins) & (column >= 0) & (column < bins)
        np.add.at(self._count.reshape(-1), row[within] * bins + column[within], 1)
        self.pairs += int(within.sum())

    def add_counted(
        self, observation: NDArray[np.float64], signal: NDArray[np.float64], count: NDArray[np.int64]
    ) -> None:
        """Count pairs (ADU) that occur `count` times, unless they are outside of the range."""
        row, column = self._bin(signal), self._bin(observation)
        bins = len(self._count)
        within = (row >= 0) & (row < bins) & (column >= 0) & (column < bins)
        np.add.at(self._count.reshape(-1), row[within] * bins + column[within], count[within])
        self.pairs += int(count[within].sum())

    def trim(self, low: float = 0.005, high: float = 0.995) -> None:
        """Remove the rows (signals) below the `low` and above the `high` quantile."""
        per_row = self._count.sum(axis=1)
        below = np.cumsum(per_row) / max(self.pairs, 1)
        outside = (below <= low) | (below - per_row / max(self.pairs, 1) >= high)
        self._count[outside] = 0
        self.pairs = int(self._count.sum())

    def model(self) -> HistogramNoiseModel:
        """Return the model with normalised rows; raise NoiseFitError if nothing was counted.

        A row with too few pairs is pooled with its neighbours, shifted to its own signal.
        """
        if not self.pairs:
            raise NoiseFitError(
                "no pixel lies within the range of the histogram; use images with values in that range, or "
                "another noise model"
            )
        bins = len(self._count)
        pairs_before = np.append(0, self._count.sum(axis=1).cumsum())
        probabilities = np.zeros((bins, bins))
        for row in range(bins):
            first, end = row, row + 1
            while pairs_before[end] - pairs_before[first] < min(_MIN_PAIRS, self.pairs):
                first, end = max(first - 1, 0), min(end + 1, bins)
            counted = np.diff(pairs_before[first : end + 1])
            for source in (first + np.flatnonzero(counted)).tolist():
                _add_shifted(probabilities[row], self._count[source], row - source)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        # Rounded to single precision, in which models are stored, so that reloading does not change them.
        stored = probabilities.astype(np.float32).astype(np.float64)
        return HistogramNoiseModel(torch.from_numpy(stored), self.min_adu, self.max_adu)

    def _bin(self, value: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.floor((value - self.min_adu) / self.bin_width_adu).astype(np.int64)


def _add_shifted(total: NDArray[np.float64], counts: NDArray[np.int64], shift: int) -> None:
    """Add counts, moved by `shift` bins and clipped to the ends of the range, as a detector clips."""
    if shift >= 0:
        kept = len(counts) - shift
        total[shift:] += counts[:kept]
        total[-1] += counts[kept:].sum()
    else:
        total[:shift] += counts[-shift:]
        total[0] += counts[:-shift].sum()
