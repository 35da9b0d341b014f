"""Input and output files of commands, with errors that name the file."""

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.contracts.vocabulary import OutputDtype, OutputFormat
from models_store.errors import FieldError, ImageError, InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.noise_model_files.published import read_published
from models_store.settings import MEBIBYTE
from models_store.whole_files import reporting_write_errors, require_writable_folder
from worker.engine.errors import EngineError
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.offline.targets import is_zarr_folder, output_format_of

Spec = TypeVar("Spec", bound=BaseModel)

_PYRAMID = 4 / 3
"""Pixels of a plane with all its smaller levels, compared with its own."""
_OPTIONS = {"ground_truth_ids": "--ground-truth"}
"""Options whose names differ from those of their fields."""


def read_noise_model_file(path: Path) -> GmmParameters | HistogramParameters:
    """Read a published `.npz` or `.npy`; raise InvalidRequestError or NoiseModelInvalidError if invalid."""
    return read_published(read_content(path, "noise model"))


def read_pretrained_file(path: Path, *, of_stacks: bool = False) -> PretrainedNetwork:
    """Read a network that `clearscope pretrain` wrote; raise InvalidRequestError for any other file.

    `of_stacks`: it has to be one for planes with neighbours, instead of single ones.
    """
    try:
        network = PretrainedNetwork.from_bytes(read_content(path, "network"))
    except EngineError as error:
        raise InvalidRequestError(f"{path} is no pretrained network: {error.detail}") from error
    if network.reach and not of_stacks:
        raise InvalidRequestError(
            f"{path} is a network for planes with neighbours; name it with --pretrained-stack"
        )
    if of_stacks and not network.reach:
        raise InvalidRequestError(
            f"{path} is a network for single planes; those for planes with neighbours are made by "
            "clearscope pretrain --stacks"
        )
    return network


def noise_model_files(given: Path | Sequence[Path | None] | None) -> list[Path]:
    """Return the files of an option that names one for all channels, or one for each."""
    return [path for path in (given if isinstance(given, Sequence) else [given]) if path is not None]


def read_content(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"the {what} {path} cannot be read: {error.strerror}") from error


@contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """Convert errors of the block to an InvalidRequestError that names the file."""
    try:
        yield
    except (ImageError, OSError) as error:
        raise InvalidRequestError(f"{path}: {error}") from error


@contextmanager
def naming_options() -> Iterator[None]:
    """Convert errors about a job's field to errors about the command's option."""
    try:
        yield
    except FieldError as error:
        option = _OPTIONS.get(error.field, f"--{error.field.replace('_', '-')}")
        raise InvalidRequestError(f"{option}: {error.problem}") from error


def checked(spec: type[Spec], **fields: Any) -> Spec:  # noqa: ANN401  # pydantic checks them
    """Build the spec of a job; raise InvalidRequestError if a value is invalid."""
    try:
        return spec(**fields)
    except ValidationError as error:
        raise InvalidRequestError(
            "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        ) from error


def require_writable(target: Path, sources: Sequence[Path]) -> None:
    """Fail early if a result could not be written, or would overwrite a source or join an image set."""
    for source in sources:
        # It would count as a part of the set, even while it is written.
        if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
            raise InvalidRequestError(
                f"{target} is in the folder {source}, whose files are the input; write the result beside it"
            )
    with reporting_write_errors(target):
        is_folder = target.parent.is_dir()
    if not is_folder:
        raise InvalidRequestError(f"{target} cannot be written: there is no folder {target.parent}")
    require_writable_folder(target.parent)
    with reporting_write_errors(target):
        exists = target.exists()
    if exists and is_zarr_folder(target):
        if not target.is_dir() or any(target.iterdir()):
            raise InvalidRequestError(
                f"{target} exists already; remove it, or write the result to another folder"
            )
        return
    if exists and not target.is_file():
        what = "a folder" if target.is_dir() else "not a regular file"
        raise InvalidRequestError(f"{target} cannot be written: it is {what}")
    if exists and any(source.exists() and target.samefile(source) for source in sources):
        raise InvalidRequestError(f"{target} is an input of this command; write the result to another file")


def require_room(target: Path, header: ImageHeader, dtype: OutputDtype, *, divided: bool = False) -> None:
    """Fail early if the disk has no room for a result; a divided one is first written as raw float32."""
    pixel_bytes = np.dtype(header.dtype if dtype is OutputDtype.SAME else np.float32).itemsize
    if output_format_of(target, header.file_kind) is OutputFormat.OME_ZARR:
        pixel_bytes = math.ceil(pixel_bytes * _PYRAMID)
    if is_zarr_folder(target):
        pixel_bytes *= 2  # it is unpacked
    pixel_bytes += np.dtype(np.float32).itemsize * divided
    needed_bytes = header.planes * header.height_px * header.width_px * pixel_bytes
    free_bytes = shutil.disk_usage(target.parent).free
    if free_bytes < needed_bytes:
        raise InvalidRequestError(
            f"{target} cannot be written: it takes {needed_bytes / MEBIBYTE:.0f} MiB, and its disk has "
            f"{free_bytes / MEBIBYTE:.0f} MiB left"
        )
