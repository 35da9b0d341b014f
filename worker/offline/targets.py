"""Result files of commands: their format, which the suffix tells, and how they come to their places."""

from pathlib import Path

from models_store.contracts.vocabulary import OutputFormat, TiffCompression
from models_store.errors import InvalidRequestError
from models_store.image_files.header import FileKind
from models_store.image_files.results.ome_zarr.archive import unpack
from models_store.image_files.results.result_file import is_ome_zarr

_FOLDERS = (".zarr",)
_ZIP_FILES = (".ozx", ".zarr.zip")
_OME_TIFF = (".ome.tif", ".ome.tiff", ".ome.btf")
_OTHERS = frozenset(
    (
        *(".czi", ".nd2", ".lif", ".oib", ".oir", ".ims", ".mrc", ".dm3", ".dm4", ".dcimg", ".spe", ".sif"),
        *(".h5", ".zip", ".gz", ".png", ".jpg", ".jpeg"),
    )
)
_SUFFIXES = (".ome.zarr.zip", ".ome.zarr", *_ZIP_FILES, *_FOLDERS, *_OME_TIFF)


def is_zarr_folder(target: Path) -> bool:
    return target.name.lower().endswith(_FOLDERS)


def beside(target: Path, name: str) -> Path:
    """Return a file about a result, such as its RO-Crate: `cells-ro-crate-metadata.json` for `cells.tif`."""
    stem = target.name
    suffix = next((each for each in _SUFFIXES if stem.lower().endswith(each)), target.suffix)
    return target.with_name(f"{stem[: len(stem) - len(suffix)]}-{name}")


def output_format_of(target: Path, source: FileKind) -> OutputFormat:
    """Return the format that the suffix of a result tells; that of the source if it tells none."""
    name = target.name.lower()
    if name.endswith(_FOLDERS + _ZIP_FILES):
        return OutputFormat.OME_ZARR
    # A file of another suffix is TIFF, whatever its source is.
    if name.endswith(_OME_TIFF) or is_ome_zarr(OutputFormat.SAME, source):
        return OutputFormat.OME_TIFF
    return OutputFormat.SAME


def require_options_of_format(target: Path, compression: TiffCompression, *, tiled: bool) -> None:
    """Raise InvalidRequestError for a suffix of other formats, or options of TIFF files if it tells none."""
    if target.suffix.lower() in _OTHERS and not target.name.lower().endswith(_ZIP_FILES):
        raise InvalidRequestError(
            f"{target}: results are not written as {target.suffix}; name a file that ends in .ome.tif "
            "(OME-TIFF), .tif (TIFF), .ome.zarr (OME-Zarr) or .ozx (OME-Zarr in a ZIP file)"
        )
    if (tiled or compression is not TiffCompression.NONE) and target.name.lower().endswith(
        _FOLDERS + _ZIP_FILES
    ):
        raise InvalidRequestError(
            f"{target} is an OME-Zarr, whose chunks are compressed with zstd in any case; leave out "
            "--compression and --tiled, which are for TIFF files"
        )


def move_result(file: Path, target: Path) -> None:
    """Move a result file to its target, atomically; an OME-Zarr for a folder is unpacked."""
    if is_zarr_folder(target):
        unpack(file, target)
        file.unlink()
    else:
        file.replace(target)
