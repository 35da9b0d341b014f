"""Result files of a prediction: each image's outputs, in the format of the image."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from models_store.contracts.outcomes import MadeArtifact
from models_store.contracts.spec_parts import ResultFiles
from models_store.contracts.vocabulary import Output, OutputDtype
from models_store.image_files.results.result_file import ResultOptions, is_ome_zarr, write_result
from worker.attempt.context import JobContext
from worker.jobs.inputs import OpenImage
from worker.jobs.provenance import RunProvenance
from worker.jobs.result_names import result_names

OutputPlanes = Mapping[Output, Iterable[np.ndarray]]
"""Planes (Y, X) of each output of an image; outputs are consumed one after the other, in this order."""


def store_results(
    context: JobContext,
    images: Sequence[OpenImage],
    outputs: Sequence[Output],
    spec: ResultFiles,
    planes_of: Callable[[OpenImage, Path], AbstractContextManager[OutputPlanes]],
    run: RunProvenance,
) -> Iterator[MadeArtifact]:
    """Write and store the files of each image in turn; `planes_of` gets a temporary folder to use."""
    for image, names in zip(images, result_names(images, outputs, spec.output_format), strict=True):
        with TemporaryDirectory(prefix="clearscope-") as name:
            folder = Path(name)
            with planes_of(image, folder) as planes_of_outputs:
                for output, planes in planes_of_outputs.items():
                    path = folder / str(output)
                    options, note = _options_of(output, spec), run.note(image)
                    write_result(path, planes, like=image.reader, options=options, note=note)
                    blob = context.store_file(f"{image.image_id}/{output}", path)
                    yield MadeArtifact(
                        name=names[output],
                        media_type=_media_type(image, spec),
                        blob=blob,
                        image_id=image.image_id,
                        output=output,
                    )


def _options_of(output: Output, spec: ResultFiles) -> ResultOptions:
    # A standard deviation below one grey value would be rounded away.
    dtype = OutputDtype.FLOAT32 if output is Output.POSTERIOR_STD else spec.output_dtype
    return ResultOptions(spec.output_format, dtype, spec.output_compression, spec.output_tiled)


def _media_type(image: OpenImage, spec: ResultFiles) -> str:
    is_zip = is_ome_zarr(spec.output_format, image.reader.header.file_kind)
    return "application/zip" if is_zip else "image/tiff"
