"""Denoising some of a prediction's planes, as a job: another one assembles the files."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from models_store.contracts.jobs import PredictPartSpec
from models_store.contracts.outcomes import MadePlanes, Outcome
from worker.context import JobContext
from worker.jobs.estimates import PlaneDenoiser, chosen, denoiser
from worker.jobs.inputs import OpenImage, all_planes, open_images
from worker.jobs.raw_planes import write_plane


def predict_part(spec: PredictPartSpec, context: JobContext) -> Outcome:
    """Denoise the part's planes and store them as they are; one is in memory at a time."""
    made = denoiser(chosen(spec, context), spec.outputs, context)
    done = 0

    def reported(indices: Iterable[int]) -> Iterator[int]:
        nonlocal done
        for index in indices:
            yield index
            done += 1
            context.report(done / spec.planes, f"plane {done} of {spec.planes} denoised")

    planes: list[MadePlanes] = []
    with open_images(context, spec.image_ids) as images:
        for image, indices in _indices_of(images, spec):
            planes += _store_planes(context, image, reported(indices), made)
    return Outcome(planes=tuple(planes))


def _indices_of(images: Sequence[OpenImage], spec: PredictPartSpec) -> Iterator[tuple[OpenImage, range]]:
    first, remaining = spec.first_plane, spec.planes
    for image in images:
        indices = range(first, min(len(image.reader), first + remaining))
        yield image, indices
        first, remaining = 0, remaining - len(indices)


def _store_planes(
    context: JobContext, image: OpenImage, indices: Iterable[int], made: PlaneDenoiser
) -> Iterator[MadePlanes]:
    with TemporaryDirectory(prefix="clearscope-") as folder:
        paths = {output: Path(folder) / output for output in made.outputs}
        planes = all_planes([image])
        with ExitStack() as stack:
            files = {output: stack.enter_context(path.open("wb")) for output, path in paths.items()}
            for index in indices:
                denoised = made.denoise(planes[index])
                for output, file in files.items():
                    write_plane(file, denoised[output])
        for output, path in paths.items():
            blob = context.store_file(f"planes/{image.image_id}/{output}", path)
            yield MadePlanes(image_id=image.image_id, output=output, blob=blob)
