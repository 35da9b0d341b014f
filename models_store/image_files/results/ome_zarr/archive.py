"""An OME-Zarr in one ZIP file (.ozx), as OME-NGFF's RFC 9 recommends it."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from models_store.image_files.results.ome_zarr.metadata import VERSION
from models_store.whole_files import appearing_whole_folder

_METADATA = "zarr.json"
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_NUMBERS = re.compile(r"(\d+)")


def pack(folder: Path, archive: Path) -> None:
    """Move the files of an OME-Zarr into a new ZIP file; each is deleted when it is there.

    All `zarr.json` are first, that of the root before those below it. Nothing is compressed again.
    """
    with ZipFile(archive, "w", ZIP_STORED, allowZip64=True) as packed:
        packed.comment = json.dumps({"ome": {"version": VERSION}}).encode()
        for path in _in_order(folder, (path for path in folder.rglob("*") if path.is_file())):
            # Equal results are identical files, so no time is stored.
            entry = ZipInfo(path.relative_to(folder).as_posix(), _NO_TIME)
            entry.file_size = path.stat().st_size
            with path.open("rb") as source, packed.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 2**20)
            path.unlink()


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of such a ZIP file to a folder, which appears whole or not at all."""
    with ZipFile(archive) as packed, appearing_whole_folder(folder) as unfinished:
        packed.extractall(unfinished)


def _in_order(folder: Path, paths: Iterable[Path]) -> list[Path]:
    def key(path: Path) -> tuple[bool, int, list[str | int]]:
        name = path.relative_to(folder).as_posix()
        words = [int(word) if word.isdigit() else word for word in _NUMBERS.split(name)]
        is_metadata = path.name == _METADATA
        return not is_metadata, name.count("/") if is_metadata else 0, words

    return sorted(paths, key=key)
