"""Files of one page each, without metadata that joins them, numbered by their names."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from models_store.errors import ImageUnsupportedError
from models_store.image_files.claimed_size import require_plausible, require_total_size
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.planes import ResultFormat
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.tiff.ifd_chain import read_ifd_chain
from models_store.image_files.tiff.inspect import read_image
from models_store.image_files.tiff.result_metadata import needs_bigtiff, pixels_per_cm
from models_store.image_files.tiff_sets.file_names import listed
from models_store.image_files.tiff_sets.members import Members, naming

_NUMBER = re.compile(r"(\d+)")
_OTHERWISE = (
    "save them as one OME-TIFF or ImageJ stack, or upload each by itself; only files of one page each, with "
    "the same kind of pixels and one number that counts them in their names, are taken as one image"
)


def numbered_names(names: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return names in the order of the one number in which they differ, and the numbers.

    Raises ImageUnsupportedError if they differ in anything else.
    """
    parts = [_NUMBER.split(name) for name in names]
    alike = all(each[::2] == parts[0][::2] for each in parts)
    counted = (
        [at for at in range(1, len(parts[0]), 2) if len({int(each[at]) for each in parts}) > 1]
        if alike
        else []
    )
    if len(counted) != 1 or len({int(each[counted[0]]) for each in parts}) < len(names):
        raise ImageUnsupportedError(
            f"no metadata tells how the {len(names)} TIFF files ({listed(names)}) belong together, and their "
            f"names do not: {_OTHERWISE}"
        )
    ordered = sorted((int(each[counted[0]]), name) for each, name in zip(parts, names, strict=True))
    return [name for _, name in ordered], [number for number, _ in ordered]


def require_single_pages(files: NamedFiles, names: Sequence[str]) -> None:
    """Raise ImageUnsupportedError unless files have one page each, of the same kind."""
    first = None
    for name in names:
        with naming(name), files.open(name) as stream:
            kinds = read_ifd_chain(stream, max_pages=2**20).kinds
        first = first or kinds[0]
        if len(kinds) > 1 or kinds[0].pixels != first.pixels:
            found = f"{len(kinds)} pages" if len(kinds) > 1 else f"a page of {kinds[0]}, others of {first}"
            raise ImageUnsupportedError(
                f"no metadata tells how the {len(names)} TIFF files belong together, and "
                f"{PurePosixPath(name).name!r} has {found}: {_OTHERWISE}"
            )


def header_of(
    members: Members, names: Sequence[str], numbers: Sequence[int], limits: ImageLimits
) -> ImageHeader:
    """Return the header of a series, by its first file."""
    first = members[names[0]]
    with naming(names[0]):
        of_first = read_image(first.tiff, first.chain, limits).header
    if of_first.planes > 1:
        raise ImageUnsupportedError(f"{listed(names[:1])} has {of_first.planes} planes: {_OTHERWISE}")
    told = f"the {len(names)} files are read as one series, in the order of the numbers in their names"
    absent = [before + 1 for before, after in pairwise(numbers) if after > before + 1]
    if absent:
        told += f"; number {absent[0]} is missing"
    decoded_bytes = of_first.decoded_bytes * len(names)
    require_total_size(len(names), decoded_bytes, limits)
    header = of_first.model_copy(
        update={
            "axes": "I" + of_first.axes,
            "shape": (len(names), *of_first.shape),
            "planes": len(names),
            "file_kind": "tiff",
            "decoded_bytes": decoded_bytes,
            "warnings": (*of_first.warnings, told),
        }
    )
    require_plausible(header, sum(map(members.files.size_bytes, names)))
    return header


def result_format(header: ImageHeader, dtype: np.dtype[Any]) -> ResultFormat:
    """Return the format of a result: a plain stack, as nothing tells what the pages are."""
    photometric = "miniswhite" if header.white_is_zero else "minisblack"
    page = {"metadata": {"axes": header.axes}, "photometric": photometric, **pixels_per_cm(header)}
    return ResultFormat({"bigtiff": needs_bigtiff(header, dtype)}, page)
