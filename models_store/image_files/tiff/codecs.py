"""Preloading of TIFF codecs, which a sandboxed process cannot load itself."""

import codecs
import contextlib
import importlib
from collections.abc import Iterable, Mapping

import imagecodecs
from tifffile import COMPRESSION, PREDICTOR, TIFF

_FUNCTIONS = ("bitorder_decode", "packints_decode", "float24_decode", "jpeg8_decode")
_MODULES = ("tifffile.geodb", "xml.etree.ElementTree", "uuid", "mmap", "_strptime")
_ENCODINGS = ("utf-8", "latin-1", "ascii", "utf-16", "utf-16-le", "utf-16-be", "cp1252")


def load_codecs() -> None:
    """Load all decoders and everything else that tifffile imports lazily."""
    _load(TIFF.DECOMPRESSORS, COMPRESSION)
    _load(TIFF.UNPREDICTORS, PREDICTOR)
    for name in _FUNCTIONS:
        getattr(imagecodecs, name)
    for name in _MODULES:
        importlib.import_module(name)
    for name in _ENCODINGS:
        codecs.lookup(name)


def _load(decoders: Mapping[int, object], numbers: Iterable[int]) -> None:
    for number in numbers:
        with contextlib.suppress(KeyError):  # tifffile cannot decode all the formats that it lists
            decoders[number]
