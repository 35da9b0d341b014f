"""Texts from files, without characters that no document may hold."""

import re

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]+")


def printable(text: str) -> str:
    return _UNPRINTABLE.sub(" ", text).strip()
