"""Pooling stage: one noise model from the pixel pairs of many images of a detector."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from worker.engine.errors import NoiseFitError
from worker.engine.noise.fitting.contradictions import Contradiction, contradictions
from worker.engine.noise.fitting.kept_pairs import KeptPairs, KeptSets
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.noise.fitting.select import SelectedNoiseModel, count_histogram, select_gmm
from worker.engine.noise.models.histogram import HistogramCounts
from worker.engine.noise.models.kinds import AnyNoiseModel, NoiseModelKind

_UNUSUAL_SHARE = 0.0005
"""Share of the lowest and highest observations that a histogram's range leaves out."""


@dataclass(frozen=True, eq=False)
class PooledNoiseModel:
    """A noise model of many sets of pairs, and the sets that contradict the others."""

    selected: SelectedNoiseModel[AnyNoiseModel]
    left_out: Sequence[Contradiction]


def pool_noise_model(sets: KeptSets, *, kind: NoiseModelKind = "gmm", seed: int) -> PooledNoiseModel:
    """Fit a mixture or a histogram to the sum of the sets that agree; sets are read one at a time, twice.

    Raises NoiseFitError if half of the sets or more contradict the others.
    """
    left_out = contradictions(sets)
    if 2 * len(left_out) >= len(sets):
        raise NoiseFitError(
            f"{len(left_out)} of {len(sets)} sets of pixel pairs contradict the others, so they are not of "
            "one detector with one group of settings"
        )
    counts = PairCounts.sum_of(_Agreeing(sets, frozenset(each.index for each in left_out)))
    generator = torch.Generator().manual_seed(seed)
    if kind == "histogram":
        histogram = _histogram(counts)
        within = counts.observed_within(histogram.min_adu, histogram.max_adu)
        return PooledNoiseModel(replace(count_histogram(histogram, within), counts=counts), left_out)
    return PooledNoiseModel(select_gmm(counts, generator=generator), left_out)


@dataclass(frozen=True, eq=False)
class _Agreeing:
    """The sets without those that are left out."""

    sets: KeptSets
    left_out: frozenset[int]

    def __len__(self) -> int:
        return len(self.sets) - len(self.left_out)

    def __iter__(self) -> Iterator[KeptPairs]:
        return (kept for index, kept in enumerate(self.sets) if index not in self.left_out)


def _histogram(counts: PairCounts) -> HistogramCounts:
    kept = counts.kept()
    signal_adu = kept.signal_adu[kept.row]
    observation_adu = signal_adu + kept.deviation_adu
    order = np.argsort(observation_adu)
    below = kept.count[order].cumsum() / kept.count.sum()
    first, last = np.searchsorted(below, (_UNUSUAL_SHARE, 1 - _UNUSUAL_SHARE))
    low_adu, high_adu = observation_adu[order[[first, last]]].tolist()
    if counts.step_adu:
        low_adu, high_adu = (counts.step_adu * round(end / counts.step_adu) for end in (low_adu, high_adu))
    histogram = HistogramCounts(min_adu=low_adu, max_adu=high_adu, step_adu=counts.step_adu)
    histogram.add_counted(observation_adu, signal_adu, kept.count)
    return histogram
