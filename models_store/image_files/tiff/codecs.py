"""Preloading of TIFF codecs, which a sandboxed process cannot load itself."""

import codecs
import contextlib
import encodings
import importlib
import pkgutil
from collections.abc import Iterable, Mapping

import imagecodecs
from tifffile import COMPRESSION, PREDICTOR, TIFF

_FUNCTIONS = ("bitorder_decode", "packints_decode", "float24_decode", "jpeg8_decode")
_MODULES = ("tifffile.geodb", "xml.etree.ElementTree", "uuid", "mmap", "_strptime")


def load_codecs() -> None:
    """Load all decoders and everything else that tifffile imports lazily."""
    _load(TIFF.DECOMPRESSORS, COMPRESSION)
    _load(TIFF.UNPREDICTORS, PREDICTOR)
    for name in _FUNCTIONS:
        getattr(imagecodecs, name)
    for name in _MODULES:
        importlib.import_module(name)
    _load_encodings()


def _load_encodings() -> None:
    """Load all encodings of text: XML may declare any, and JSON is taken for UTF-32 by its first bytes."""
    for module in pkgutil.iter_modules(encodings.__path__):
        with contextlib.suppress(LookupError):  # those of other systems are known to be missing from now on
            codecs.lookup(module.name)


def _load(decoders: Mapping[int, object], numbers: Iterable[int]) -> None:
    for number in numbers:
        with contextlib.suppress(KeyError):  # tifffile cannot decode all the formats that it lists
            decoders[number]
