"""The denoiser of single planes of a prediction job: the prepared networks applied, planes completed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from models_store.contracts.outcomes import MadeNoiseModel
from models_store.contracts.prediction_specs import PredictPartSpec, PredictSpec
from models_store.contracts.vocabulary import Output
from models_store.survey.blocks import SMALL_PX
from worker.attempt.context import JobContext
from worker.engine.networks.architecture import Model
from worker.engine.networks.network import Network
from worker.engine.prediction.inference import predict_plane, predicts_in_bfloat16
from worker.engine.stages.denoise import Denoiser, denoise_plane
from worker.engine.stages.stacks import among
from worker.planes.observed_plane import ObservedPlane

FLOAT32 = "float32"
# What lies further out than four times the 99th percentile is no noise.
_USUAL_SHARE, _FAR, _MAX_ERRORS = 0.99, 4.0, 5.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """The denoiser of a job's planes: a single network, or PN2V with the chosen estimate."""

    denoiser: Denoiser | Network
    refitted: MadeNoiseModel | None = None
    """The refitted noise model, if the spec asked for a refit."""
    known_signals_adu: tuple[float, float] | None = None
    """Lowest and highest signal that the noise model was made for; None without one."""


@dataclass(frozen=True)
class PlaneDenoiser:
    """Computes the outputs (Y, X) of observed planes in ADU."""

    outputs: tuple[Output, ...]
    estimate: Callable[[ObservedPlane], Mapping[Output, np.ndarray]]
    """Computes the estimates of a plane, float32, as if it had no defects."""
    keep_outliers: bool
    keeps_mean: bool = True
    """Whether the estimates are on the scale of the observation."""
    watch: Callable[[ObservedPlane, Mapping[Output, np.ndarray]], None] = lambda *_: None
    """Is called with each plane and its outputs."""
    reach: int = 0
    """Number of planes that the estimates use on either side."""
    precision: str = FLOAT32
    """Type in which the convolutions compute."""

    def denoise(self, observed: ObservedPlane) -> Mapping[Output, np.ndarray]:
        """Return the outputs; pixels without data stay as they are, and their standard deviation is NaN."""
        if observed.defects.empty:
            estimates: Mapping[Output, np.ndarray] = dict.fromkeys(self.outputs, observed.unknown())
        else:
            estimates = self._with_its_mean(observed)
        results = {output: self._completed(output, observed, yx) for output, yx in estimates.items()}
        self.watch(observed, results)
        return results

    def _with_its_mean(self, observed: ObservedPlane) -> Mapping[Output, np.ndarray]:
        """Return the estimates, shifted to the mean of the observation: noise has none.

        Networks draw unusual planes, such as bleached ones, towards the usual ones.
        """
        estimates, input_yx = self.estimate(observed), observed.input_yx
        if not self.keeps_mean:
            return estimates
        return {
            output: yx if output is Output.POSTERIOR_STD else yx + _mean_removed(input_yx, yx)
            for output, yx in estimates.items()
        }

    def _completed(self, output: Output, observed: ObservedPlane, estimate_yx: np.ndarray) -> np.ndarray:
        if output is Output.POSTERIOR_STD:
            return np.where(observed.defects.missing_yx, np.float32(np.nan), estimate_yx)
        return observed.completed(estimate_yx, keep_outliers=self.keep_outliers)


def plane_denoiser(
    prepared: Prepared, spec: PredictSpec | PredictPartSpec, context: JobContext
) -> PlaneDenoiser:
    """Return the denoiser of the requested outputs; networks other than PN2V have only one output."""
    denoiser, keep = prepared.denoiser, spec.keep_hot_pixels
    if isinstance(denoiser, Network):
        return PlaneDenoiser(
            (Output.DENOISED,),
            _denoise_alone(denoiser, context),
            keep,
            keeps_mean=denoiser.method != "care",
            reach=denoiser.reach,
            precision=_precision(denoiser.model, context),
        )
    estimate = _denoise_as_chosen(denoiser, context, with_std=Output.POSTERIOR_STD in spec.outputs)
    return PlaneDenoiser(
        spec.outputs, estimate, keep, reach=denoiser.reach, precision=_precision(denoiser.model, context)
    )


def _precision(model: Model, context: JobContext) -> str:
    return "bfloat16" if predicts_in_bfloat16(model, context.device) else FLOAT32


def _mean_removed(input_yx: np.ndarray, estimate_yx: np.ndarray) -> np.float32:
    """Return the mean of what was removed; 0 if a few pixels decide it, as undetected hot ones do.

    Of a large plane, some rows tell.
    """
    some = slice(None, None, -(-input_yx.size // SMALL_PX))
    input_yx, estimate_yx = input_yx[some], estimate_yx[some]
    removed = (input_yx - estimate_yx.astype(np.float64))[np.isfinite(input_yx)]
    if not removed.size:
        return np.float32(0)
    usual = removed[np.abs(removed) <= _FAR * np.quantile(np.abs(removed), _USUAL_SHARE)]
    error = float(usual.std()) / max(usual.size, 1) ** 0.5
    certain = abs(float(removed.mean() - usual.mean())) <= _MAX_ERRORS * error
    return np.float32(usual.mean()) if certain else np.float32(0)


def _denoise_alone(
    network: Network, context: JobContext
) -> Callable[[ObservedPlane], Mapping[Output, np.ndarray]]:
    def denoise(observed: ObservedPlane) -> Mapping[Output, np.ndarray]:
        seeing = among(network, observed.input_yx, observed.neighbours)
        estimate = predict_plane(seeing, observed.input_yx, device=context.device)
        return {Output.DENOISED: estimate.prior_mean_yx}

    return denoise


def _denoise_as_chosen(
    denoiser: Denoiser, context: JobContext, *, with_std: bool
) -> Callable[[ObservedPlane], Mapping[Output, np.ndarray]]:
    def denoise(observed: ObservedPlane) -> Mapping[Output, np.ndarray]:
        denoised = denoise_plane(
            observed.input_yx,
            denoiser,
            neighbours=observed.neighbours,
            device=context.device,
            with_std=with_std,
        )
        images = {
            Output.DENOISED: denoised.image_yx,
            Output.MMSE: denoised.pn2v.mmse_yx if denoised.pn2v else None,
            Output.PRIOR_MEAN: denoised.pn2v.prior_mean_yx if denoised.pn2v else None,
            Output.POSTERIOR_STD: denoised.std_yx,
        }
        return {output: image_yx for output, image_yx in images.items() if image_yx is not None}

    return denoise
