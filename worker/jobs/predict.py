"""Job handlers: denoise images with trained networks, and choose the estimate of a divided prediction."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import numpy as np

from models_store.contracts.outcomes import Outcome
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictSpec
from models_store.survey.warnings import correlation_warnings
from worker.attempt.context import JobContext
from worker.attempt.progress import PREPARING_PREDICTION, RESULTS_WRITTEN, part_of
from worker.jobs.estimates import outcome_of, prepare
from worker.jobs.inputs import (
    OpenImage,
    load_noise_model,
    load_pretrained,
    named_noise_model,
    open_images,
    survey_of,
    warn_of_fit,
    warn_of_images,
)
from worker.jobs.plane_denoiser import PlaneDenoiser, plane_denoiser
from worker.jobs.provenance import PRECISION, provenance_of_prediction
from worker.jobs.removed_noise import Judge, all_numbered, with_verdict
from worker.jobs.result_files import OutputPlanes, store_results
from worker.jobs.result_preview import ResultPreview
from worker.jobs.trust import JudgedPlanes, TrustInputs, with_trust
from worker.planes.observed_plane import ObservedPlane
from worker.planes.prefetch import prefetch
from worker.planes.raw_planes import SpooledPlanes


def predict(spec: PredictSpec, context: JobContext) -> Outcome:
    """Denoise every plane of the job's images in constant memory.

    Reading, denoising and writing overlap: while a plane is denoised, the next is read and the last written.
    """
    preparing = part_of(context.report, 0, PREPARING_PREDICTION)
    denoising = part_of(context.report, PREPARING_PREDICTION, RESULTS_WRITTEN)
    with open_images(context, spec.image_ids) as images:
        warnings = _warnings(spec, context, images)
        prepared = prepare(spec, context, images, preparing)
        judge = Judge.of(
            prepared, survey_of(context, images).noise_correlation, all_numbered(images), context.device
        )
        denoiser = judge.watching(plane_denoiser(prepared, spec, context))
        planes = sum(len(image.reader) for image in images)
        done = 0

        def on_plane() -> None:
            nonlocal done
            done += 1
            denoising(done / planes, f"plane {done} of {planes} denoised")

        def planes_of(image: OpenImage, folder: Path) -> AbstractContextManager[OutputPlanes]:
            return _denoised_planes(image, denoiser, folder, on_plane, run.preview)

        outcome = outcome_of(prepared, warnings)
        outcome = outcome.model_copy(update={"result": outcome.result | {PRECISION: [denoiser.precision]}})
        run = provenance_of_prediction(spec, outcome.result, outcome.noise_model, context)
        run.warnings += warnings
        run.verdict, run.told = judge.summary.figures, judge.summary.warnings
        results = tuple(store_results(context, images, denoiser.outputs, spec, planes_of, run))
        judged = JudgedPlanes(judge.summary, judge.figures, outcome.result)
        made = outcome.noise_model.parameters if outcome.noise_model else None
        inputs = TrustInputs(context, images, run.channels, {None: judged}, run.preview, made)
        outcome = with_trust(with_verdict(outcome, judge.summary, context), inputs)
    return run.outcome(outcome, results)


def choose_estimate(spec: ChooseEstimateSpec, context: JobContext) -> Outcome:
    """Choose noise model and estimate from all images, for the parts of a divided prediction."""
    with open_images(context, spec.image_ids, spec.channel) as images:
        warnings = _warnings(spec, context, images)
        return outcome_of(prepare(spec, context, images, context.report), warnings)


def _warnings(
    spec: PredictSpec | ChooseEstimateSpec, context: JobContext, images: Sequence[OpenImage]
) -> list[str]:
    """Warn of the images, of correlated noise, and of a noise model of others; return the warnings."""
    told = [*warn_of_images(context, images), *_warn_of_correlation(spec, context, images)]
    named = named_noise_model(spec)
    if isinstance(named, str):
        told += warn_of_fit(context, load_noise_model(context, named)[0], images)
    return told + _warn_of_choice(context, spec.channel)


def _warn_of_choice(context: JobContext, channel: int | None) -> list[str]:
    """Issue what the job's plan told of the choice of the noise model, and return it."""
    known = context.registry.request(context.job_id).warnings
    found = [warning for of_channel, warning in known if of_channel == channel]
    for warning in found:
        context.warn(warning)
    return found


def _warn_of_correlation(
    spec: PredictSpec | ChooseEstimateSpec, context: JobContext, images: Sequence[OpenImage]
) -> list[str]:
    """Warn of correlated noise if no network is trained for the job, which would warn of it; return it."""
    if spec.compare_with is not None or spec.distilled is not None:
        return []
    if load_pretrained(context, spec.network) is None:
        return []
    found = correlation_warnings(survey_of(context, images).noise_correlation)
    for warning in found:
        context.warn(warning)
    return found


@contextmanager
def _denoised_planes(
    image: OpenImage,
    denoiser: PlaneDenoiser,
    folder: Path,
    on_plane: Callable[[], None],
    preview: ResultPreview,
) -> Iterator[OutputPlanes]:
    """Denoise while the first output is consumed; the other outputs are spooled to disk meanwhile."""
    first, *others = denoiser.outputs
    with ExitStack() as stack:
        spooled = {output: stack.enter_context(SpooledPlanes(folder / f"{output}.f32")) for output in others}

        def first_output(observed: Iterator[ObservedPlane]) -> Iterator[np.ndarray]:
            for index, plane in enumerate(observed):
                denoised = denoiser.denoise(plane)
                preview.offer(index, len(image.reader), plane, denoised[first])
                for output, planes in spooled.items():
                    planes.append(denoised[output])
                yield denoised[first]
                on_plane()

        observed = stack.enter_context(
            prefetch(image.stack.observed(range(len(image.reader)), denoiser.reach))
        )
        yield {first: stack.enter_context(prefetch(first_output(observed))), **spooled}
