"""Small Imaris files: HDF5 with a group for each time and channel, and chunks beyond the image's edge."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

_CHUNK = (2, 16, 16)


def write_ims(path: Path, pixels_tczyx: NDArray[Any], step_um: Sequence[float], names: Sequence[str]) -> Path:
    """Write an image; `step_um`: along X, Y and Z."""
    times, channels, *size_zyx = pixels_tczyx.shape
    ends = {f"ExtMax{at}": step_um[at] * size_zyx[2 - at] for at in range(3)}
    lengths = dict(zip("ZYX", size_zyx, strict=True))
    with h5py.File(path, "w") as file:
        _describe(file, ImarisDataSet="ImarisDataSet", ImarisVersion="5.5.0", DataSetDirectoryName="DataSet")
        _describe(file, DataSetInfoDirectoryName="DataSetInfo")
        information = file.create_group("DataSetInfo")
        starts = {f"ExtMin{at}": 0 for at in range(3)}
        _describe(information.create_group("Image"), Unit="um", Name="cells", **lengths, **starts, **ends)
        for channel, name in enumerate(names):
            _describe(information.create_group(f"Channel {channel}"), Name=name, Color="0.0 1.0 0.0")
        stamps = {f"TimePoint{t + 1}": f"2020-01-01 00:00:{2 * t:02d}.000" for t in range(times)}
        _describe(information.create_group("TimeInfo"), DatasetTimePoints=times, **stamps)
        for t, c in np.ndindex(times, channels):
            group = file.create_group(f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}")
            _describe(group, **{f"ImageSize{axis}": length for axis, length in lengths.items()})
            edge = [(0, -length % side) for length, side in zip(size_zyx, _CHUNK, strict=True)]
            padded = np.pad(pixels_tczyx[t, c], edge)
            group.create_dataset("Data", data=padded, chunks=_CHUNK, compression="gzip")
    return path


def _describe(group: h5py.Group, **attributes: object) -> None:
    """Write attributes as Imaris does: arrays of single characters."""
    for name, value in attributes.items():
        group.attrs[name] = np.frombuffer(str(value).encode(), "S1")
