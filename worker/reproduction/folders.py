"""User datasets: folders with `noisy`, `ground_truth` and optionally `calibration`."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.errors import InvalidRequestError
from worker.reproduction.datasets import Dataset, FieldOfView, divide
from worker.reproduction.tiff_planes import read_planes, tiff_files

_MIN_CALIBRATION_FRAMES = 2


def folder_datasets(folder: Path) -> list[Dataset]:
    """Read the datasets in this folder and its subfolders; raise InvalidRequestError if a part is missing."""
    places = [place for place in (folder, *sorted(folder.iterdir())) if tiff_files(place / "noisy")]
    return [_read(place) for place in places]


def _read(folder: Path) -> Dataset:
    noisy = [read_planes(path) for path in tiff_files(folder / "noisy")]
    truth_files = tiff_files(folder / "ground_truth")
    if not truth_files:
        raise InvalidRequestError(
            f"{folder} has noisy images but no ground truth to score with: "
            f"expected TIFF files in {folder / 'ground_truth'}, or the file {folder / 'ground_truth.tif'}"
        )
    truths = [read_planes(path) for path in truth_files]
    fields = _match(folder, noisy, truths)
    for each in fields:
        for frame in each.frames:
            if frame.shape != each.truth_yx.shape:
                raise InvalidRequestError(
                    f"{folder}: a noisy image of shape {frame.shape} has a ground truth of shape "
                    f"{each.truth_yx.shape}"
                )
    calibration = [plane for path in tiff_files(folder / "calibration") for plane in read_planes(path)]
    _check_calibration(folder, calibration)
    supervised, scored, division = divide([each.truth_yx.shape for each in fields])
    return Dataset(
        name=folder.resolve().name,
        fields=tuple(fields),
        supervised=supervised,
        scored=scored,
        calibration=calibration,
        without_calibration=f"there is no folder {folder / 'calibration'} with TIFF files",
        notes=(f"{sum(len(each.frames) for each in fields)} noisy images, {division}",),
    )


def _match(
    folder: Path, noisy: list[list[NDArray[Any]]], truths: list[list[NDArray[Any]]]
) -> list[FieldOfView]:
    """Match one truth to all images, to each file, or to each image, with files in order of their names."""
    frames, planes = ([plane for file in files for plane in file] for files in (noisy, truths))
    if len(planes) == 1:
        return [FieldOfView(tuple(frames), planes[0])]
    if len(planes) == len(frames):
        pairs = zip(frames, planes, strict=True)
        return _merge_same_truth([FieldOfView((frame,), truth) for frame, truth in pairs])
    if len(planes) == len(noisy):
        return [FieldOfView(tuple(file), truth) for file, truth in zip(noisy, planes, strict=True)]
    raise InvalidRequestError(
        f"{folder}: {len(frames)} noisy images in {len(noisy)} files and {len(planes)} of ground truth do "
        "not match: expected one ground truth for all, one for each file, or one for each image"
    )


def _merge_same_truth(fields: list[FieldOfView]) -> list[FieldOfView]:
    """Merge images with the same truth into one field of view, so that none is both trained on and scored."""
    merged: list[FieldOfView] = []
    for each in fields:
        if merged and np.array_equal(merged[-1].truth_yx, each.truth_yx):
            merged[-1] = FieldOfView((*merged[-1].frames, *each.frames), each.truth_yx)
        else:
            merged.append(each)
    return merged


def _check_calibration(folder: Path, frames: list[NDArray[Any]]) -> None:
    shapes = {frame.shape for frame in frames}
    if len(frames) in range(1, _MIN_CALIBRATION_FRAMES) or len(shapes) > 1:
        raise InvalidRequestError(
            f"{folder / 'calibration'}: {len(frames)} frames of shapes {sorted(shapes)}; "
            "expected two or more frames of one static scene"
        )
