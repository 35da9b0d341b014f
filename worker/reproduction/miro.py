"""MIRO's test data: one raw frame per exposure, and a clean reference on another scale."""

import re
from pathlib import Path

import numpy as np

from worker.reproduction.datasets import Dataset, FieldOfView, divide
from worker.reproduction.simulated import SimulatedCalibration, read_camera
from worker.reproduction.tiff_planes import read_planes

_RAW = re.compile(r"(?P<channel>ch\d+)_raw_(?P<milliseconds>\d+)ms_u16\.tif")
_DEFAULT_MS = 20
_SPECIMENS = {"ch1": ("nuclei", "mouse nuclei"), "ch3": ("actin", "mouse actin")}
_MAPS = "the file of the camera's maps, {}, is missing"


def miro_datasets(folder: Path, *, camera_maps: Path | None, seed: int) -> list[Dataset]:
    """Return one dataset per channel and exposure; those of 20 ms are the default.

    The calibration stack is simulated with the camera's maps, by default `../scmos_maps/miro.npz`.
    """
    maps = camera_maps or folder.resolve().parent / "scmos_maps" / "miro.npz"
    found = [(path, match) for path in sorted(folder.iterdir()) if (match := _RAW.fullmatch(path.name))]
    return [
        _read(path, match["channel"], int(match["milliseconds"]), maps, seed)
        for path, match in found
        if (folder / f"{match['channel']}_gt_f32.tif").is_file()
    ]


def _read(path: Path, channel: str, milliseconds: int, maps: Path, seed: int) -> Dataset:
    frame, truth_yx = read_planes(path)[0], read_planes(path.with_name(f"{channel}_gt_f32.tif"))[0]
    specimen, column = _SPECIMENS.get(channel, (channel, None))
    supervised, scored, division = divide([frame.shape])
    calibration: SimulatedCalibration | tuple[()] = ()
    notes: list[str] = []
    if maps.is_file():
        camera = read_camera(maps, frame.shape)
        electrons = (frame - camera.offset_adu) / camera.gain_adu_per_e
        brightest = float(np.percentile(electrons, 99.9))
        calibration = SimulatedCalibration(camera, 1.2 * brightest, np.random.default_rng(seed))
        notes = [
            "there is no calibration stack; 100 frames of an iris out of focus are simulated",
            f"with the measured gain, offset and read noise of this camera's pixels ({maps.name})",
        ]
    return Dataset(
        name=f"{specimen} {milliseconds} ms",
        fields=(FieldOfView((frame,), truth_yx),),
        supervised=supervised,
        scored=scored,
        calibration=calibration,
        without_calibration=_MAPS.format(maps),
        paper_column=column,
        other_scale=True,
        by_default=milliseconds == _DEFAULT_MS,
        notes=(
            f"{path.name}: one frame; its reference has another scale, scores come after an affine fit",
            f"{division}, with the reference fitted to the frame",
            *notes,
        ),
    )
