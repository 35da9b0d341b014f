"""Names of result files."""

import itertools
import re
from collections.abc import Sequence
from typing import get_args

from models_store.contracts.vocabulary import Output, OutputFormat
from models_store.image_files.header import FileKind, ImageHeader, RawKind, VendorKind
from models_store.image_files.results.result_file import is_ome_zarr
from worker.jobs.inputs import OpenImage

# File systems allow names of 255 bytes; the rest is for the suffixes appended.
MAX_STEM_BYTES = 200
MAX_SERIES_BYTES = 60
_UNSAFE = re.compile(r"[^\w.]+")
_OME_SETS = ("ome", "ndtiff")
"""Kinds of sets of files whose results are OME-TIFFs."""
TIFF_SUFFIXES = (".ome.tiff", ".ome.tif", ".tiff", ".tif")
ZARR_SUFFIXES = (".ome.zarr.zip", ".zarr.zip", ".ozx", ".ome.zarr", ".zarr", ".zip")


def result_names(
    images: Sequence[OpenImage], outputs: Sequence[Output], file_format: OutputFormat
) -> list[dict[Output, str]]:
    """Name each image's outputs after its file: `cells.ome.tif` gives `cells_denoised.ome.tif`.

    The suffix is that of the results' format: `cells.czi` gives `cells_denoised.ome.tif`, or `.ozx`. One of
    several images in a file is told by its number and name: `wells_s12_D7_denoised.ome.tif`.
    Duplicate names, compared case-insensitively, are made unique by a number.
    """
    taken: set[str] = set()
    names = []
    for image in images:
        header = image.reader.header
        stem, suffix = _split(image.filename, header.file_kind, file_format)
        label = _series_label(header)
        stem = _shortened(stem, MAX_STEM_BYTES - len(label.encode())) + label
        for number in itertools.count(1):
            numbered = stem if number == 1 else f"{stem}_{number}"
            named = {output: f"{numbered}_{output}{suffix}" for output in outputs}
            if taken.isdisjoint(name.lower() for name in named.values()):
                break
        taken.update(name.lower() for name in named.values())
        names.append(named)
    return names


def _split(filename: str, kind: FileKind, file_format: OutputFormat) -> tuple[str, str]:
    """Return the stem of a file's name, and the suffix of its results."""
    of_vendor = kind in (*get_args(VendorKind), *get_args(RawKind))
    suffixes = (f".{kind}",) if of_vendor else (*TIFF_SUFFIXES, *ZARR_SUFFIXES)
    suffix = next((suffix for suffix in suffixes if filename.lower().endswith(suffix)), "")
    stem = filename[: len(filename) - len(suffix)]
    if is_ome_zarr(file_format, kind):
        result_suffix = ".ozx"
    elif of_vendor or file_format is OutputFormat.OME_TIFF or (kind in _OME_SETS and suffix == ".zip"):
        result_suffix = ".ome.tif"
    else:
        result_suffix = suffix if suffix in TIFF_SUFFIXES else ".tif"
    return stem, result_suffix


def _series_label(header: ImageHeader) -> str:
    """Return what tells an image from the others of its file: its number and name."""
    if header.series is None:
        return ""
    names = {each.index: each.name for each in header.series_in_file}
    name = _UNSAFE.sub("-", names.get(header.series, "")).strip("-.")
    return f"_s{header.series}" + (f"_{_shortened(name, MAX_SERIES_BYTES)}" if name else "")


def _shortened(text: str, size_bytes: int) -> str:
    return text.encode()[:size_bytes].decode(errors="ignore")
