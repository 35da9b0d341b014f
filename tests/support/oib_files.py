"""Small OIB files of Olympus FluoView: compound files with a TIFF and a file of properties of each plane."""

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.support.compound_files import write_compound_file

_LEAST_BYTES = 4096
_STORAGE = "Storage00001"
Settings = Mapping[str, Mapping[str, object]]


def write_oib(
    path: Path,
    pixels_tczyx: NDArray[Any],
    step_um: Sequence[float],
    names: Sequence[str],
    *,
    interval_s: float = 2,
    compression: str | None = None,
    missing: Collection[tuple[int, int, int]] = (),
) -> Path:
    """Write an image of 16 bits but for the `missing` planes (t, c, z); `step_um`: along X, Y and Z."""
    times, channels, depths = pixels_tczyx.shape[:3]
    members: dict[str, bytes] = {}
    for t, c, z in np.ndindex(times, channels, depths):
        if (t, c, z) in missing:
            continue
        place = f"C{c + 1:03}" + f"Z{z + 1:03}" * (depths > 1) + f"T{t + 1:03}" * (times > 1)
        content = io.BytesIO()
        tifffile.imwrite(
            content, pixels_tczyx[t, c, z], photometric="minisblack", metadata=None, compression=compression
        )
        members[f"s_{place}.tif"] = content.getvalue().ljust(_LEAST_BYTES, b"\0")
        members[f"s_{place}.pty"] = _settings(_plane(step_um, z, t * interval_s))
    streams = {f"Stream{number:05}": content for number, content in enumerate(members.values(), 1)}
    listed = {stream: f"{_STORAGE}/{name}" for stream, name in zip(streams, members, strict=True)}
    main = f"Stream{len(members) + 1:05}"
    info = {
        "Version": "2.0.0.0",
        "MainFileName": main,
        _STORAGE: "cells.oif.files",
        main: "cells.oif",
        **listed,
    }
    root = {
        "OibInfo.txt": _settings({"OibSaveInfo": info}),
        main: _settings(_main(pixels_tczyx.shape, step_um, names)),
    }
    return write_compound_file(path, root, {_STORAGE: streams})


def _main(shape_tczyx: Sequence[int], step_um: Sequence[float], names: Sequence[str]) -> Settings:
    times, channels, depths, height, width = shape_tczyx
    lengths = {"X": width, "Y": height, "C": channels, "Z": depths, "T": times} | dict.fromkeys("ALPQ", 0)
    order = "XYC" + "Z" * (depths > 1) + "T" * (times > 1)
    axes = {
        f"Axis {number} Parameters Common": {
            "AxisCode": f'"{axis}"',
            "MaxSize": length if axis in order else 0,
            **({"Interval": 1000 * step_um[2], "PixUnit": '"nm"'} if axis == "Z" else {}),
        }
        for number, (axis, length) in enumerate(lengths.items())
    }
    return {
        "ProfileSaveInfo": {"Name": '"FLUOVIEW profile"', "Version": '"2.0.0.0"'},
        "Version Info": {"SystemName": '"FLUOVIEW FV1000"', "SystemVersion": '"4.2.1.20"'},
        "File Info": {"DataName": '"cells.oib"'},
        "Axis Parameter Common": {"AxisOrder": f'"{order}"', "AxisCount": len(order)},
        "Acquisition Parameters Common": {"ImageCaputreDate": "'2020-01-01 10:00:00'", "ScanMode": "'XYZ'"},
        "Reference Image Parameter": {"ValidBitCounts": 12},
        **axes,
        **{
            f"Channel {number} Parameters": {"CH Name": f'"CHS{number}"', "DyeName": f'"{name}"'}
            for number, name in enumerate(names, 1)
        },
    }


def _plane(step_um: Sequence[float], z: int, time_s: float) -> Settings:
    image = {
        "WidthConvertValue": step_um[0],
        "WidthUnit": '"um"',
        "HeightConvertValue": step_um[1],
        "HeightUnit": '"um"',
        "ValidBitCounts": 12,
        "ImageGroup": '"Normal"',
    }
    return {
        "Image Parameters": image,
        "Axis 3 Parameters": {"Number": z + 1, "AbsPositionValue": 1000 * step_um[2] * z},
        "Axis 4 Parameters": {"AbsPositionValue": 1000 * time_s},
        "Acquisition Parameters Common": {"ObjectiveLens Name": '"UPLSAPO 60X"', "Magnification": 60},
    }


def _settings(sections: Settings) -> bytes:
    """Return lines of settings, with empty lines behind them: longer than mini streams are."""
    lines = [
        line
        for name, entries in sections.items()
        for line in (f"[{name}]", *(f"{key}={value}" for key, value in entries.items()))
    ]
    text = "\ufeff" + "".join(f"{line}\r\n" for line in lines)
    return (text + "\r\n" * (_LEAST_BYTES // 4)).encode("utf-16-le")
