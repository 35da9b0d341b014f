"""The paper's data: the Zenodo archives and their split in the published examples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models_store.errors import InvalidRequestError
from worker.reproduction.datasets import Dataset, FieldOfView, Places
from worker.reproduction.tiff_planes import read_planes

_DEEPEST = 3


@dataclass(frozen=True)
class Download:
    """One Zenodo record: frames of a static sample, whose mean is the ground truth, and a calibration stack.

    `scored` and `supervised` are the regions of the published notebooks.
    """

    name: str
    record: int
    archive: str
    frames: str
    calibration: str
    scored: Places
    supervised: Places

    @property
    def address(self) -> str:
        return f"https://zenodo.org/record/{self.record}"


_FIRST, _SECOND = slice(512), slice(512, None)
_ALL = slice(None)

DOWNLOADS = (
    Download(
        name="Convallaria",
        record=5156913,
        archive="Convallaria_diaphragm.zip",
        frames="20190520_tl_25um_50msec_05pc_488_130EM_Conv.tif",
        calibration="20190726_tl_50um_500msec_wf_130EM_FD.tif",
        scored=((0, (_FIRST, _FIRST)),),
        supervised=((0, (_SECOND, _SECOND)), (0, (_FIRST, _SECOND)), (0, (_SECOND, _FIRST))),
    ),
    Download(
        name="mouse nuclei",
        record=5156960,
        archive="Mouse skull nuclei.zip",
        frames="example2_digital_offset300.tif",
        calibration="edgeoftheslide_300offset.tif",
        scored=((0, (_ALL, slice(256))),),
        supervised=((0, (_ALL, slice(256, None))),),
    ),
    Download(
        name="mouse actin",
        record=5156937,
        archive="Mouse actin.zip",
        frames="sample_attempt2.tif",
        calibration="diaphragm.tif",
        scored=((0, (_ALL, _FIRST)),),
        supervised=((0, (_ALL, _SECOND)),),
    ),
)


def downloaded_datasets(folder: Path) -> list[Dataset]:
    """Read those of the paper's datasets whose frames are in the folder, at most three levels deep."""
    return [_read(download, found) for download in DOWNLOADS if (found := _find(folder, download.frames))]


def packed_downloads(folder: Path) -> list[str]:
    """Return the names of archives that have not been unpacked."""
    packed = {
        name for download in DOWNLOADS for name in (download.archive, download.archive.replace(" ", "_"))
    }
    return sorted(path.name for path in folder.glob("*.zip") if path.name in packed)


def _find(folder: Path, name: str) -> Path | None:
    for depth in range(_DEEPEST):
        for path in sorted(folder.glob("*/" * depth + name)):
            return path
    return None


def _read(download: Download, frames_path: Path) -> Dataset:
    frames = read_planes(frames_path)
    height, width = frames[0].shape
    if any(frames[0][region].size == 0 for _, region in (*download.scored, *download.supervised)):
        raise InvalidRequestError(
            f"{frames_path} has frames of {height} x {width} pixels, fewer than those of {download.address}"
        )
    calibration_path = frames_path.with_name(download.calibration)
    return Dataset(
        name=download.name,
        fields=(FieldOfView(tuple(frames), np.asarray(np.mean(frames, axis=0, dtype=np.float64))),),
        supervised=download.supervised,
        scored=download.scored,
        calibration=read_planes(calibration_path) if calibration_path.exists() else (),
        without_calibration=f"{calibration_path.name} is missing beside {frames_path.name}",
        paper_column=download.name,
        notes=(
            f"{frames_path.name} of {download.archive}, {download.address}",
            f"{len(frames)} frames, whose mean is the truth",
            "regions scored and trained on as in the published notebooks",
        ),
    )
