"""Result files of a prediction: each image's outputs, in the format of the image."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from models_store.contracts.outcomes import MadeArtifact
from models_store.contracts.vocabulary import Output, OutputDtype
from models_store.image_files.tiff.writer import write_planes
from worker.attempt.context import JobContext
from worker.jobs.inputs import OpenImage
from worker.jobs.result_names import result_names

OutputPlanes = Mapping[Output, Iterable[np.ndarray]]
"""Planes (Y, X) of each output of an image; outputs are consumed one after the other, in this order."""


def store_results(
    context: JobContext,
    images: Sequence[OpenImage],
    outputs: Sequence[Output],
    dtype: OutputDtype,
    planes_of: Callable[[OpenImage, Path], AbstractContextManager[OutputPlanes]],
) -> Iterator[MadeArtifact]:
    """Write and store the files of each image in turn; `planes_of` gets a temporary folder to use."""
    for image, names in zip(images, result_names(images, outputs), strict=True):
        with TemporaryDirectory(prefix="clearscope-") as name:
            folder = Path(name)
            with planes_of(image, folder) as planes_of_outputs:
                for output, planes in planes_of_outputs.items():
                    path = folder / f"{output}.tif"
                    write_planes(path, planes, like=image.reader, dtype=_dtype_of(output, dtype))
                    blob = context.store_file(f"{image.image_id}/{output}", path)
                    yield MadeArtifact(
                        name=names[output],
                        media_type="image/tiff",
                        blob=blob,
                        image_id=image.image_id,
                        output=output,
                    )


def _dtype_of(output: Output, dtype: OutputDtype) -> Literal["float32", "same"]:
    # A standard deviation below one grey value would be rounded away.
    return "float32" if output is Output.POSTERIOR_STD else dtype.value
