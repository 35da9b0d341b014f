"""Result files: the planes of an image in the file format that a job asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from numpy.typing import NDArray

from models_store.contracts.vocabulary import OutputDtype, OutputFormat, TiffCompression
from models_store.image_files.header import FileKind
from models_store.image_files.pixel_conversion import PixelConversion
from models_store.image_files.planes import PlaneSource, ResultFormat
from models_store.image_files.results.instrument import with_instrument
from models_store.image_files.results.note import ProvenanceNote
from models_store.image_files.results.ome_tiff import ome_tiff_format
from models_store.image_files.results.ome_zarr.archive import pack
from models_store.image_files.results.ome_zarr.hierarchy import write_hierarchy
from models_store.image_files.tiff.writer import with_pixels_stored_as, write_tiff
from models_store.whole_files import appearing_whole


@dataclass(frozen=True)
class ResultOptions:
    """How a result is written: file format, pixel type, and how a TIFF file stores pixels."""

    file_format: OutputFormat = OutputFormat.SAME
    dtype: OutputDtype = OutputDtype.FLOAT32
    compression: TiffCompression = TiffCompression.NONE
    tiled: bool = False


def is_ome_zarr(file_format: OutputFormat, source: FileKind) -> bool:
    """Return whether results of an image are OME-Zarr; else they are TIFF."""
    if file_format is OutputFormat.SAME:
        return source == "ome-zarr"
    return file_format is OutputFormat.OME_ZARR


def write_result(
    path: Path,
    planes: Iterable[NDArray[Any]],
    *,
    like: PlaneSource,
    options: ResultOptions | None = None,
    note: ProvenanceNote | None = None,
) -> PixelConversion:
    """Write planes to a file as they arrive, one in memory at a time; the write is atomic.

    `planes`: as many (Y, X) arrays as `like` has, in the same order. An OME-Zarr is one ZIP file. Returns
    the conversion to the file's pixel type, which tells what it clipped. Raises ValueError if the number or
    shape of the planes differs, JobFailedError if the format cannot hold the image.
    """
    options = options or ResultOptions()
    pixels = PixelConversion.to(options.dtype, like)
    if is_ome_zarr(options.file_format, like.header.file_kind):
        with (
            appearing_whole(path) as unfinished,
            TemporaryDirectory(prefix=".clearscope-", dir=path.parent) as folder,
        ):
            write_hierarchy(Path(folder), planes, like, pixels, lambda: _attributes(note, pixels))
            pack(Path(folder), unfinished)
        return pixels
    form = _tiff_format(like, pixels, options)
    if note is not None:
        form = note.place_in(form)
    with appearing_whole(path) as unfinished:
        write_tiff(unfinished, planes, like, form, pixels)
        if note is not None:
            note.fill(unfinished, note.complete(pixels.clipped_share))
    return pixels


def _tiff_format(like: PlaneSource, pixels: PixelConversion, options: ResultOptions) -> ResultFormat:
    header, form = like.header, like.result_format(pixels.dtype)
    # ImageJ finds the planes of a stack over 4 GB only if they follow each other as they are.
    too_large = bool(form.page.get("truncate")) and options.compression is not TiffCompression.NONE
    if options.file_format is OutputFormat.OME_TIFF or too_large:
        form = ome_tiff_format(like, pixels.dtype)
    form = with_instrument(form, header, pixels.dtype)
    shape_yx = (header.height_px, header.width_px)
    return with_pixels_stored_as(form, shape_yx, options.compression, tiled=options.tiled)


def _attributes(note: ProvenanceNote | None, pixels: PixelConversion) -> Mapping[str, Any]:
    if note is None:
        return {}
    return {"clearscope": note.complete(pixels.clipped_share).model_dump(mode="json")}
