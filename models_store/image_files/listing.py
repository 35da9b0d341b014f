"""Listing of the images in a file of any format."""

from models_store.errors import ImageError, ImageSeriesError, ImageTooLargeError
from models_store.image_files.file_streams import StreamedFile
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits, SeriesEntry
from models_store.image_files.image_sets import ImageFile, open_set
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.opening import open_planes, vendor_kind_of
from models_store.image_files.series_choice import MAX_SERIES
from models_store.image_files.sets.kind import is_tiff_set, is_zarr
from models_store.image_files.tiff_sets.opening import list_tiff_set
from models_store.image_files.vendor.planes import list_vendor_images
from models_store.image_files.zarr.planes import list_zarr_images


def list_images(file: ImageFile, limits: ImageLimits = DEFAULT_LIMITS) -> ImagesInFile:
    """List the images of a file or folder. Raises like `open_planes` if none is usable."""
    with open_set(file) as found:
        if found is not None and is_zarr(found.files):
            return list_zarr_images(found.files, limits)
        if found is not None and is_tiff_set(found.files):
            return list_tiff_set(found.files, limits)
    if found is None and isinstance(file, StreamedFile) and (kind := vendor_kind_of(file)) is not None:
        return list_vendor_images(file, kind, limits)
    try:
        with open_planes(file, limits) as planes:
            return _with_only(planes.header)
    except ImageSeriesError:
        return _open_each(file, limits)


def _with_only(header: ImageHeader) -> ImagesInFile:
    if not header.series_in_file:
        return ImagesInFile(entries=(), headers=(header,))
    return ImagesInFile.of(header.series_in_file, [(header.series or 0, header)])


def _open_each(file: ImageFile, limits: ImageLimits) -> ImagesInFile:
    """Open a file of several images once for each of them."""
    headers: dict[int, ImageHeader] = {}
    unusable: dict[int, str] = {}
    entries: tuple[SeriesEntry, ...] = ()
    number = 0
    while number < (len(entries) or MAX_SERIES):
        try:
            with open_planes(file, limits, number) as planes:
                headers[number] = planes.header
                entries = entries or planes.header.series_in_file
        except (ImageError, ImageTooLargeError) as error:
            unusable[number] = error.detail
        number += 1
    told = [each.model_copy(update={"unusable": unusable.get(each.index)}) for each in entries]
    return ImagesInFile.of(told, headers.items())
