"""Job handler: denoise a range of planes of a divided prediction; another job assembles the files."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from models_store.contracts.outcomes import MadePlanes, Outcome
from models_store.contracts.prediction_specs import PredictPartSpec
from models_store.contracts.trust import FIGURES_OF_PART
from models_store.contracts.vocabulary import Output
from worker.attempt.context import JobContext
from worker.jobs.estimates import prepare_chosen
from worker.jobs.inputs import OpenImage, open_images, survey_of
from worker.jobs.plane_denoiser import PlaneDenoiser, plane_denoiser
from worker.jobs.provenance import PRECISION
from worker.jobs.removed_noise import Judge, numbered
from worker.judging.removed_noise import REMOVED_NOISE
from worker.planes.prefetch import prefetch
from worker.planes.raw_planes import write_plane

OutputsOfPlane = Mapping[Output, np.ndarray]


def predict_part(spec: PredictPartSpec, context: JobContext) -> Outcome:
    """Denoise the part's planes and store them as raw pixels, with a few planes in memory at a time."""
    prepared = prepare_chosen(spec, context)
    done = 0

    def with_progress(planes: Iterable[OutputsOfPlane]) -> Iterator[OutputsOfPlane]:
        nonlocal done
        for plane in planes:
            yield plane
            done += 1
            context.report(done / spec.planes, f"plane {done} of {spec.planes} denoised")

    planes: list[MadePlanes] = []
    with open_images(context, spec.image_ids, spec.channel) as images:
        correlation = survey_of(context, images).noise_correlation
        judge = Judge.of(prepared, correlation, numbered(_indices_of(images, spec)), context.device)
        denoiser = judge.watching(plane_denoiser(prepared, spec, context))
        for image, indices in _indices_of(images, spec):
            planes += _store_planes(context, image, indices, denoiser, with_progress)
    figures = {REMOVED_NOISE: judge.summary.figures(), FIGURES_OF_PART: judge.figures.record()}
    return Outcome(planes=tuple(planes), result=figures | {PRECISION: [denoiser.precision]})


def _indices_of(images: Sequence[OpenImage], spec: PredictPartSpec) -> Iterator[tuple[OpenImage, range]]:
    first, remaining = spec.first_plane, spec.planes
    for image in images:
        indices = range(first, min(len(image.planes), first + remaining))
        yield image, indices
        first, remaining = 0, remaining - len(indices)


def _store_planes(
    context: JobContext,
    image: OpenImage,
    indices: range,
    denoiser: PlaneDenoiser,
    with_progress: Callable[[Iterable[OutputsOfPlane]], Iterator[OutputsOfPlane]],
) -> Iterator[MadePlanes]:
    with TemporaryDirectory(prefix="clearscope-") as folder:
        paths = {output: Path(folder) / output for output in denoiser.outputs}
        with ExitStack() as stack:
            files = {output: stack.enter_context(path.open("wb")) for output, path in paths.items()}
            observed = stack.enter_context(prefetch(image.stack.observed(indices, denoiser.reach)))
            results = stack.enter_context(prefetch(map(denoiser.denoise, observed)))
            for denoised in with_progress(results):
                for output, file in files.items():
                    write_plane(file, denoised[output])
        for output, path in paths.items():
            blob = context.store_file(f"planes/{image.image_id}/{output}", path)
            yield MadePlanes(image_id=image.image_id, output=output, blob=blob)
