"""Resolution of the `--data` option to datasets."""

from pathlib import Path

from models_store.errors import InvalidRequestError
from worker.reproduction.datasets import Dataset
from worker.reproduction.folders import folder_datasets
from worker.reproduction.miro import miro_datasets
from worker.reproduction.paper_archives import DOWNLOADS, downloaded_datasets, packed_downloads
from worker.reproduction.simulated import simulated_datasets

SIMULATED = "simulated"


def find_datasets(data: str, *, measured: Path | None, seed: int) -> list[Dataset]:
    """Read or simulate datasets; raise InvalidRequestError if there are none.

    `measured` is a folder with camera maps and clean images for simulations, see `simulated_datasets`.
    """
    if data == SIMULATED:
        return simulated_datasets(measured, seed=seed)
    folder = Path(data)
    if not folder.is_dir():
        raise InvalidRequestError(f"--data is {data!r}, neither a folder nor {SIMULATED!r}")
    maps = measured / "scmos_maps" / "miro.npz" if measured else None
    found = (
        downloaded_datasets(folder)
        or miro_datasets(folder, camera_maps=maps, seed=seed)
        or folder_datasets(folder)
    )
    if not found:
        raise InvalidRequestError(_expected_layouts(folder))
    return found


def chosen_datasets(datasets: list[Dataset], names: list[str]) -> list[Dataset]:
    """Return the datasets with these names, or the default ones if no names are given."""
    by_name = {dataset.name: dataset for dataset in datasets}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise InvalidRequestError(f"no dataset {', '.join(unknown)}; there are: {', '.join(by_name)}")
    return [by_name[name] for name in names] or [each for each in datasets if each.by_default] or datasets


def _expected_layouts(folder: Path) -> str:
    packed = packed_downloads(folder)
    if packed:
        return f"{folder} holds {', '.join(packed)}, which has to be unpacked first"
    frames = ", ".join(f"{download.frames} ({download.name})" for download in DOWNLOADS)
    return (
        f"{folder} holds no data to compare methods on: expected TIFF files in {folder / 'noisy'} and "
        f"{folder / 'ground_truth'} (and {folder / 'calibration'}), subfolders of that kind, or the paper's "
        f"unpacked downloads: {frames}"
    )
