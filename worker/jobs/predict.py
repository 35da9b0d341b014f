"""Denoising images with a trained network, as a job."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import numpy as np

from models_store.contracts.job_specs import PredictSpec
from models_store.contracts.outcomes import Outcome
from worker.attempt.context import JobContext
from worker.jobs.estimates import PlaneDenoiser, denoiser, outcome_of, prepare
from worker.jobs.inputs import OpenImage, open_images
from worker.jobs.result_files import OutputPlanes, store_results
from worker.planes.prefetch import prefetch
from worker.planes.waiting_planes import WaitingPlanes

SHARE_OF_PREPARATION = 0.3


def predict(spec: PredictSpec, context: JobContext) -> Outcome:
    """Denoise every plane of the job's images; memory does not grow with their number.

    While one is denoised, the next is read and the one before is written.
    """

    def report_preparation(fraction: float, status: str) -> None:
        context.report(SHARE_OF_PREPARATION * fraction, status)

    with open_images(context, spec.image_ids) as images:
        prepared = prepare(spec, context, images, report_preparation)
        made = denoiser(prepared, spec.outputs, context)
        planes = sum(len(image.reader) for image in images)
        done = 0

        def on_plane() -> None:
            nonlocal done
            done += 1
            fraction = SHARE_OF_PREPARATION + (1 - SHARE_OF_PREPARATION) * done / planes
            context.report(fraction, f"plane {done} of {planes} denoised")

        def planes_of(image: OpenImage, folder: Path) -> AbstractContextManager[OutputPlanes]:
            return _denoised_planes(image, made, folder, on_plane)

        artifacts = tuple(store_results(context, images, made.outputs, spec.output_dtype, planes_of))
    return outcome_of(prepared).model_copy(update={"artifacts": artifacts})


@contextmanager
def _denoised_planes(
    image: OpenImage, made: PlaneDenoiser, folder: Path, on_plane: Callable[[], None]
) -> Iterator[OutputPlanes]:
    """Denoise while the first output is read; the others wait on disk, for a TIFF is written by planes."""
    first, *others = made.outputs
    with ExitStack() as stack:
        waiting = {output: stack.enter_context(WaitingPlanes(folder / f"{output}.f32")) for output in others}

        def first_output(observed: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for plane_yx in observed:
                denoised = made.denoise(plane_yx.astype(np.float32))
                for output, planes in waiting.items():
                    planes.append(denoised[output])
                yield denoised[first]
                on_plane()

        observed = stack.enter_context(prefetch(image.reader))
        yield {first: stack.enter_context(prefetch(first_output(observed))), **waiting}
