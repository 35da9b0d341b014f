"""Calibration files grouped into scenes: each stack is a scene, all single frames together are another."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from models_store.image_files.planes import PlaneSource
from worker.engine.planes.sequence import JoinedPlanes, PlaneSequence
from worker.engine.stages.calibrate import Calibration

SINGLE_FRAMES = "the single frames"

SIGNAL_RANGE = "signal_range_adu"
"""Key in the findings of the lowest and highest calibrated signal."""


def scenes_of(files: Sequence[tuple[str, PlaneSource]]) -> dict[str, PlaneSequence]:
    """Return the frames of each scene, by file name."""
    return {
        name: readers[0] if len(readers) == 1 else JoinedPlanes(readers)
        for name, readers in _files_of_scenes(files).items()
    }


def exposures_s_of(files: Sequence[tuple[str, PlaneSource]]) -> dict[str, float]:
    """Return the exposure of each scene whose files tell it and agree, by the names of `scenes_of`."""
    told = {
        name: {each.exposure_s for reader in readers for each in reader.header.acquisition}
        for name, readers in _files_of_scenes(files).items()
    }
    only = {name: exposures.pop() for name, exposures in told.items() if len(exposures) == 1}
    return {name: exposure_s for name, exposure_s in only.items() if exposure_s is not None}


def _files_of_scenes(files: Sequence[tuple[str, PlaneSource]]) -> dict[str, list[PlaneSource]]:
    scenes: dict[str, list[PlaneSource]] = {}
    single: list[PlaneSource] = []
    for name, reader in files:
        if len(reader) == 1:
            single.append(reader)
        else:
            scenes[_distinct(name, scenes)] = [reader]
    if single:
        scenes[_distinct(SINGLE_FRAMES, scenes)] = single
    return scenes


def findings(calibration: Calibration) -> dict[str, Any]:
    """Return the findings of a calibration as plain JSON values."""
    return {
        SIGNAL_RANGE: list(calibration.signal_range_adu),
        "scenes": [{"name": name, **asdict(check)} for name, check in calibration.scenes.items()],
        "coverage": asdict(calibration.coverage) if calibration.coverage else None,
        "warnings": list(calibration.warnings),
    }


def _distinct(name: str, taken: dict[str, list[PlaneSource]]) -> str:
    number = 1
    distinct = name
    while distinct in taken:
        number += 1
        distinct = f"{name} ({number})"
    return distinct
