"""Names of the files that a command writes for single channels, and for single images of a file."""

import re
from pathlib import Path

_STEM_AND_SUFFIX = re.compile(r"(.+?)((\.ome)?(\.zarr)?(\.\w+)?)", re.IGNORECASE)


def of_channel(path: Path, channel: int | None) -> Path:
    """Return the path of a channel's own file: `noise_c0.npz` for `noise.npz`."""
    return path if channel is None else _labelled(path, f"c{channel}")


def of_series(path: Path, series: int | None) -> Path:
    """Return the path of the file of one of several images: `out_s0.ome.tif` for `out.ome.tif`."""
    return path if series is None else _labelled(path, f"s{series}")


def _labelled(path: Path, label: str) -> Path:
    parts = _STEM_AND_SUFFIX.fullmatch(path.name)
    stem, suffix = (parts[1], parts[2]) if parts else (path.name, "")
    return path.with_name(f"{stem}_{label}{suffix}")
