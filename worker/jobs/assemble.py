"""Job handler: assemble the result files of a divided prediction from the planes of its parts."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from models_store.contracts.outcomes import Outcome
from models_store.contracts.prediction_specs import AssembleSpec, PredictPartSpec
from models_store.contracts.trust import FIGURES_OF_PART
from models_store.contracts.vocabulary import Output
from models_store.errors import JobFailedError
from worker.attempt.context import JobContext
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.progress import RESULTS_WRITTEN, part_of
from worker.attempt.registry import KnownPlanes
from worker.jobs.channel_order import CopiedChannels, in_order
from worker.jobs.inputs import OpenImage, open_images, warn_of_channels, warn_of_files
from worker.jobs.provenance import PRECISION, provenance_of_parts
from worker.jobs.removed_noise import with_verdict
from worker.jobs.result_files import OutputPlanes, store_results
from worker.jobs.trust import JudgedPlanes, TrustInputs, with_trust
from worker.judging.removed_noise import REMOVED_NOISE, RemovedNoiseSummary
from worker.planes.raw_planes import iterate_raw_planes


def assemble(spec: AssembleSpec, context: JobContext) -> Outcome:
    """Write the same files as an undivided prediction, with one plane per channel in memory at a time.

    Planes of channels that no part has computed are copied.
    """
    writing = part_of(context.report, 0, RESULTS_WRITTEN)
    channels = {part.job: part.channel for part in spec.parts}
    pieces = _by_output(context.registry.part_planes(list(channels)))
    with open_images(context, spec.image_ids) as images:
        copied = CopiedChannels(context.warn, spec.only_channel)
        count = len(pieces) * sum(len(image.reader) for image in images)
        done = 0

        def with_progress(planes: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
            nonlocal done
            for plane_yx in planes:
                yield plane_yx
                done += 1
                writing(done / count, f"plane {done} of {count} written")

        def previewed(image: OpenImage, output: Output, planes: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            return planes if output is Output.POSTERIOR_STD else run.preview.watching(image, planes)

        def planes_of(image: OpenImage, _: Path) -> AbstractContextManager[OutputPlanes]:
            header = image.reader.header
            shape_yx = (header.height_px, header.width_px)

            def planes_of_output(
                output: Output, by_image: Mapping[str, list[KnownPlanes]]
            ) -> Iterator[np.ndarray]:
                streams = {
                    channel: _planes(context.blobs, some, shape_yx)
                    for channel, some in _by_channel(by_image[image.image_id], channels).items()
                }
                return in_order(header, streams, lambda plane: copied.plane(image.reader, plane, output))

            return nullcontext(
                {
                    output: previewed(image, output, with_progress(planes_of_output(output, by_image)))
                    for output, by_image in pieces.items()
                }
            )

        # Stages of single channels leave it to this one to tell about the files.
        of_files = warn_of_files(context, images)
        of_channels = warn_of_channels(context, images) if spec.only_channel is None else []
        summary = _summary_of_parts(spec, context)
        run = provenance_of_parts(spec, images[0].reader.header, context)
        run.warnings += [*of_files, *of_channels]
        run.verdict, run.told = summary.figures, lambda: [*copied.warnings, *summary.warnings()]
        results = tuple(store_results(context, images, list(pieces), spec, planes_of, run))
        told = [*of_files, *copied.warnings, *of_channels]
        result = {PRECISION: sorted({each for channel in run.channels for each in channel.precision})}
        outcome = Outcome(result=result | ({"warnings": told} if told else {}))
        outcome = with_verdict(outcome, summary, context)
        judged = _judged_by_channel(spec, context)
        outcome = with_trust(outcome, TrustInputs(context, images, run.channels, judged, run.preview))
    return run.outcome(outcome, results)


def _judged_by_channel(spec: AssembleSpec, context: JobContext) -> Mapping[int | None, JudgedPlanes]:
    judged: dict[int | None, JudgedPlanes] = {}
    for part in spec.parts:
        computed, result = context.registry.spec(part.job), context.registry.result(part.job)
        if not isinstance(computed, PredictPartSpec):
            continue
        if part.channel not in judged:
            chosen = context.registry.result(computed.choice.job)
            judged[part.channel] = JudgedPlanes(chosen=chosen)
        # A part that ran before an upgrade has no figures.
        if REMOVED_NOISE in result and FIGURES_OF_PART in result:
            judged[part.channel].removed.merge(result[REMOVED_NOISE])
            judged[part.channel].figures.merge(result[FIGURES_OF_PART])
    return judged


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


def _by_channel(
    pieces: Sequence[KnownPlanes], channels: Mapping[str, int | None]
) -> Mapping[int | None, list[KnownPlanes]]:
    """Group the pieces by the channel of the jobs that computed them, preserving their order."""
    found: dict[int | None, list[KnownPlanes]] = defaultdict(list)
    for piece in pieces:
        found[channels[piece.job_id]].append(piece)
    return found


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
