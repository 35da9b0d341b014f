"""Judge each plane while it is denoised: was it noise that was removed?"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import Output
from models_store.survey.blocks import Part, blocks_of
from models_store.survey.correlation import NeighbourCorrelation
from worker.attempt.context import JobContext
from worker.engine.networks.network import Network
from worker.engine.noise.measuring.noise_line import noise_line
from worker.engine.noise.measuring.noise_verdict import MAX_CORRELATION, Expected
from worker.engine.noise.measuring.removed_noise import (
    RemovedNoise,
    RespondTo,
    measure_removed_noise,
    variance_of,
)
from worker.engine.noise.measuring.removed_noise_of_blocks import of_all_blocks
from worker.engine.prediction.response import measure_response
from worker.engine.stages.denoise import Denoiser, network_of
from worker.jobs.inputs import OpenImage
from worker.jobs.plane_denoiser import PlaneDenoiser, Prepared
from worker.judging.removed_noise import REMOVED_NOISE, RemovedNoiseSummary
from worker.judging.result_figures import ResultFigures
from worker.planes.observed_plane import ObservedPlane

_BY_MODEL = "the noise model: mean, variance, correlation, structure and detail"
_BY_LINE = "a line of noise fitted to each plane: mean, correlation, structure and detail, not the variance"
_BY_STRUCTURE = (
    "a line of noise fitted to each plane: correlation and structure, not mean and variance, as the network "
    "learned the scale of its ground truth"
)

_MIN_ERRORS = 3.0

NumberedPlane = tuple[str, int]
"""File name and number of a plane, counted from 1."""


def numbered(planes_of: Iterable[tuple[OpenImage, range]]) -> Iterator[NumberedPlane]:
    """Yield names for the planes that the job reads at these indices; numbers are those of the file."""
    return (
        (image.title, image.plane_indices[index] + 1) for image, indices in planes_of for index in indices
    )


def all_numbered(images: Sequence[OpenImage]) -> Iterator[NumberedPlane]:
    return numbered((image, range(len(image.reader))) for image in images)


@dataclass(frozen=True)
class Judge:
    """Judges planes in the order in which they are denoised."""

    prepared: Prepared
    expected: Expected
    names: Iterator[NumberedPlane]
    device: torch.device | None = None
    """Device for the response of networks; None: fine detail is not judged."""
    summary: RemovedNoiseSummary = field(default_factory=RemovedNoiseSummary)
    figures: ResultFigures = field(default_factory=ResultFigures)

    @classmethod
    def of(
        cls,
        prepared: Prepared,
        correlation: NeighbourCorrelation,
        names: Iterator[NumberedPlane],
        device: torch.device | None = None,
    ) -> "Judge":
        denoiser = prepared.denoiser
        expected = Expected(
            _certain(correlation.y, correlation.error_y), _certain(correlation.x, correlation.error_x)
        )
        if isinstance(denoiser, Denoiser):
            return cls(prepared, expected, names, device, RemovedNoiseSummary(_BY_MODEL, by_model=True))
        expected = replace(expected, variance=False, scale=denoiser.method != "care")
        judged_by = _BY_LINE if expected.scale else _BY_STRUCTURE
        return cls(prepared, expected, names, device, RemovedNoiseSummary(judged_by))

    def watching(self, denoiser: PlaneDenoiser) -> PlaneDenoiser:
        """Return the same denoiser, which has its results judged on the way."""

        def judge(observed: ObservedPlane, results: Mapping[Output, np.ndarray]) -> None:
            name, plane = next(self.names)
            found = None
            if not observed.defects.empty:
                input_yx, result_yx = observed.input_yx, results[Output.DENOISED]
                found = self._measure(observed, result_yx)
                self.summary.not_finite_px += int((np.isfinite(input_yx) & ~np.isfinite(result_yx)).sum())
            self.summary.add(name, plane, found, self.expected)
            outside_px = self._outside(results[Output.DENOISED])
            self.figures.add(observed, found, outside_px, results.get(Output.POSTERIOR_STD))

        return replace(denoiser, watch=judge)

    def _outside(self, result_yx: np.ndarray) -> tuple[int, int]:
        """Return how many pixels are darker and brighter than what the noise model was made for.

        Signals within a standard deviation of the noise from its range count as known.
        """
        denoiser, known_adu = self.prepared.denoiser, self.prepared.known_signals_adu
        if known_adu is None or not isinstance(denoiser, Denoiser):
            return 0, 0
        variance_adu2 = denoiser.noise_model.variance_adu2(torch.tensor(known_adu, dtype=torch.float64))
        low_adu, high_adu = known_adu
        margin_low_adu, margin_high_adu = (float(each) for each in variance_adu2.sqrt())
        return (
            int((result_yx < low_adu - margin_low_adu).sum()),
            int((result_yx > high_adu + margin_high_adu).sum()),
        )

    def _measure(self, observed: ObservedPlane, result_yx: np.ndarray) -> RemovedNoise | None:
        """Measure a plane, a large one block by block."""
        network = self._network(observed)
        input_yx = observed.input_yx
        blocks, found = blocks_of(input_yx.shape, margin_px=0), []
        for block in blocks:
            part = input_yx[block.inner]
            respond = self._respond(network, part, block.inner)
            measured = self._measure_part(part, result_yx[block.inner], respond)
            if measured is not None:
                found.append(((block.inner[0].start, block.inner[1].start), measured))
        return found[0][1] if found and len(blocks) == 1 else of_all_blocks(found)

    def _measure_part(
        self, input_yx: np.ndarray, result_yx: np.ndarray, respond: RespondTo | None
    ) -> RemovedNoise | None:
        denoiser = self.prepared.denoiser
        if isinstance(denoiser, Denoiser):
            return measure_removed_noise(input_yx, result_yx, variance_of(denoiser.noise_model), respond)
        if denoiser.method == "care":
            result_yx = _on_scale_of(input_yx, result_yx)
        line = noise_line(input_yx, result_yx)
        return measure_removed_noise(input_yx, result_yx, line.variance_adu2, respond) if line else None

    def _network(self, observed: ObservedPlane) -> Network | None:
        """Return the plane's network; None where its response does not tell what was copied."""
        denoiser = self.prepared.denoiser
        correlation = max(self.expected.correlation_y, self.expected.correlation_x)
        if self.device is None or correlation >= MAX_CORRELATION:
            return None
        if isinstance(denoiser, Denoiser):
            return network_of(denoiser, observed.input_yx, observed.neighbours)
        return denoiser if self.expected.scale else None

    def _respond(self, network: Network | None, input_yx: np.ndarray, place: Part) -> RespondTo | None:
        """Return the response of the network in the middle of a part of the plane."""
        if network is None or self.device is None:
            return None
        if network.frames is not None:
            network = replace(network, frames=network.frames[:, *place])
        return partial(measure_response, network, input_yx, device=self.device)


def _certain(correlation: float, error: float) -> float:
    """Return the correlation, or 0 where structure cannot be told from it."""
    return correlation if abs(correlation) > _MIN_ERRORS * error else 0.0


def with_verdict(outcome: Outcome, summary: RemovedNoiseSummary, context: JobContext) -> Outcome:
    """Warn of planes that do not fit, and return the outcome with the figures and warnings in its result."""
    warnings = summary.warnings()
    for warning in warnings:
        context.warn(warning)
    told = [*outcome.result.get("warnings", ()), *warnings]
    verdict = {REMOVED_NOISE: summary.figures()} | ({"warnings": told} if told else {})
    return outcome.model_copy(update={"result": outcome.result | verdict})


def _on_scale_of(observation_yx: np.ndarray, result_yx: np.ndarray) -> np.ndarray:
    """Return a * result + b, with a and b fitted to the observation by least squares."""
    usable = np.isfinite(observation_yx) & np.isfinite(result_yx)
    observed, result = observation_yx[usable].astype(np.float64), result_yx[usable].astype(np.float64)
    if not result.size or np.ptp(result) == 0:
        return result_yx
    centred = result - result.mean()
    scale = float(np.vdot(centred, observed)) / float(np.vdot(centred, centred))
    return np.asarray(scale * (result_yx - result.mean()) + observed.mean(), dtype=result_yx.dtype)
