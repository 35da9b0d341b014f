"""Job handler: assemble the result files of a divided prediction from the planes of its parts."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from models_store.contracts.job_specs import AssembleSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import Output
from models_store.errors import JobFailedError
from worker.attempt.context import JobContext
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import KnownPlanes
from worker.jobs.inputs import OpenImage, open_images
from worker.jobs.removed_noise import with_verdict
from worker.jobs.result_files import OutputPlanes, store_results
from worker.judging.removed_noise import REMOVED_NOISE, RemovedNoiseSummary
from worker.planes.raw_planes import iterate_raw_planes


def assemble(spec: AssembleSpec, context: JobContext) -> Outcome:
    """Write the same files as an undivided prediction, with one plane in memory at a time."""
    pieces = _by_output(context.registry.part_planes([part.job for part in spec.parts]))
    with open_images(context, spec.image_ids) as images:
        count = len(pieces) * sum(len(image.reader) for image in images)
        done = 0

        def with_progress(planes: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            nonlocal done
            for plane_yx in planes:
                yield plane_yx
                done += 1
                context.report(done / count, f"plane {done} of {count} written")

        def planes_of(image: OpenImage, _: Path) -> AbstractContextManager[OutputPlanes]:
            header = image.reader.header
            shape_yx = (header.height_px, header.width_px)
            return nullcontext(
                {
                    output: with_progress(_planes(context.blobs, by_image[image.image_id], shape_yx))
                    for output, by_image in pieces.items()
                }
            )

        outcome = Outcome(
            artifacts=tuple(store_results(context, images, list(pieces), spec.output_dtype, planes_of))
        )
    return with_verdict(outcome, _summary_of_parts(spec, context), context)


def _summary_of_parts(spec: AssembleSpec, context: JobContext) -> RemovedNoiseSummary:
    summary = RemovedNoiseSummary()
    for part in spec.parts:
        # A part that ran before an upgrade has no figures.
        if (figures := context.registry.result(part.job).get(REMOVED_NOISE)) is not None:
            summary.merge(figures)
    return summary


def _by_output(rows: Sequence[KnownPlanes]) -> Mapping[Output, Mapping[str, list[KnownPlanes]]]:
    """Group the pieces by output and image id, preserving the order of planes."""
    pieces: dict[Output, dict[str, list[KnownPlanes]]] = {}
    for row in rows:
        pieces.setdefault(row.output, defaultdict(list))[row.image_id].append(row)
    return pieces


def _planes(
    blobs: MeasuredBlobs, pieces: Sequence[KnownPlanes], shape_yx: tuple[int, int]
) -> Iterator[np.ndarray]:
    for piece in pieces:
        digest = hashlib.sha256()
        with blobs.as_file(piece.blob_key) as path, path.open("rb") as file:
            for plane_yx in iterate_raw_planes(file, shape_yx):
                blobs.count_read(plane_yx.nbytes)
                digest.update(plane_yx.data)
                yield plane_yx
        if digest.hexdigest() != piece.sha256:
            raise JobFailedError(
                f"the planes of job {piece.job_id} changed in the store (checksum); post the job again"
            )
