"""The images of a Zarr hierarchy by their numbers: choice of one, and a list of all."""

from dataclasses import dataclass

from models_store.errors import ClearScopeError, ImageError, ImageTooLargeError
from models_store.image_files.header import ImageHeader, ImageLimits, SeriesEntry
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.series_choice import chosen_number, require_series_count, told_of_series
from models_store.image_files.sets.kind import is_tiff
from models_store.image_files.sets.other_images import files_read_alone, told_of_others
from models_store.image_files.zarr.chunks import Chunks
from models_store.image_files.zarr.header import header_of
from models_store.image_files.zarr.hierarchy import Hierarchy
from models_store.image_files.zarr.images import images_of
from models_store.image_files.zarr.kept_planes import KeptPlanes, kept_planes
from models_store.image_files.zarr.zarr_image import ZarrImage, outline_of, read_image


@dataclass(frozen=True)
class OpenedImage:
    """An image, the planes of it that are read, and its chunks."""

    image: ZarrImage
    kept: KeptPlanes
    header: ImageHeader
    chunks: Chunks


def open_image(hierarchy: Hierarchy, image: ZarrImage) -> OpenedImage:
    """Find out which planes were written. Raises the errors of `header_of` and of broken shards."""
    names = [*hierarchy.names_below(image.path)]
    chunks = Chunks(hierarchy.files, hierarchy.name(image.path), image.array)
    kept = kept_planes(chunks, names)
    stored_bytes = sum(hierarchy.files.size_bytes(name) for name in names)
    return OpenedImage(image, kept, header_of(image, kept, stored_bytes), chunks)


class ZarrSeries:
    """The images of a hierarchy, numbered."""

    def __init__(self, hierarchy: Hierarchy, limits: ImageLimits) -> None:
        """Read the metadata of all images. Raises the errors of `images_of`."""
        self.hierarchy = hierarchy
        self._limits = limits
        self._images = images_of(hierarchy)
        require_series_count(len(self._images.places))
        files = hierarchy.files
        others = [*files_read_alone(files), *(name for name in files.names if is_tiff(name))]
        self._told_of_others = told_of_others(others, "OME-Zarr")
        self._entries = [self._entry(number) for number in range(len(self._images.places))]

    def read(self, number: int) -> ZarrImage:
        """Read the metadata of an image; raises the errors of `read_image`."""
        return read_image(self.hierarchy, self._images.places[number], self._limits)

    def chosen(self, series: int | None) -> int:
        """Return the number of an image; raises the errors of `chosen_number`."""
        return chosen_number(self._entries, series, lambda number: self._entries[number].unusable is None)

    def told(self, header: ImageHeader, number: int, series: int | None) -> ImageHeader:
        """Return the header of an image with what concerns all images."""
        warnings = (*header.warnings, *self._images.warnings, *self._told_of_others)
        header = header.model_copy(update={"warnings": warnings})
        return told_of_series(header, number, self._entries, series)

    def list(self) -> ImagesInFile:
        """Return the images and the headers of those that can be denoised; raises if there is none."""
        headers: dict[int, ImageHeader] = {}
        failed: dict[int, ClearScopeError] = {}
        for number in range(len(self._entries)):
            try:
                headers[number] = self.told(
                    open_image(self.hierarchy, self.read(number)).header, number, number
                )
            except (ImageError, ImageTooLargeError) as error:
                failed[number] = error
        if not headers:
            raise failed[0]
        entries = [
            each.model_copy(update={"unusable": failed[each.index].detail}) if each.index in failed else each
            for each in self._entries
        ]
        return ImagesInFile.of(entries, headers.items())

    def _entry(self, number: int) -> SeriesEntry:
        place = self._images.places[number]
        axes, shape, unusable = "", tuple[int, ...](), None
        try:
            axes, shape = outline_of(self.hierarchy, place)
            self.read(number)
        except (ImageError, ImageTooLargeError) as error:
            unusable = error.detail
        return SeriesEntry(index=number, name=place.name, axes=axes, shape=shape, unusable=unusable)
