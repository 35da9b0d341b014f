"""One image of a Zarr hierarchy: its OME metadata and the array of its full resolution."""

from dataclasses import dataclass
from math import prod

from models_store.errors import ImageCorruptError
from models_store.image_files.claimed_size import require_plane_size, require_total_size
from models_store.image_files.header import ImageLimits
from models_store.image_files.tiff.plane_grid import squeezed
from models_store.image_files.zarr.array_metadata import ArrayMetadata, require_size
from models_store.image_files.zarr.array_v2 import array_of_version_2
from models_store.image_files.zarr.array_v3 import array_of_version_3
from models_store.image_files.zarr.hierarchy import ArrayDocument, Hierarchy
from models_store.image_files.zarr.images import DescribedImage, ImagePlace
from models_store.image_files.zarr.multiscales import Multiscale, multiscale


@dataclass(frozen=True)
class ZarrImage:
    """An image that can be read; `path` is that of its array, `in_xml` what the OME-XML tells, if any."""

    name: str
    path: str
    ome: Multiscale
    array: ArrayMetadata
    in_xml: DescribedImage | None


def read_image(hierarchy: Hierarchy, place: ImagePlace, limits: ImageLimits) -> ZarrImage:
    """Read the metadata of an image, and check the sizes that they claim.

    Raises ImageCorruptError, ImageUnsupportedError, ImageContentError or ImageTooLargeError.
    """
    ome = multiscale(place.described, place.attributes)
    path, document = _array_of(hierarchy, place, ome)
    read = array_of_version_2 if document.zarr_format == 2 else array_of_version_3  # noqa: PLR2004  # the version
    array = read(document.content)
    if len(array.shape) != len(ome.axes):
        raise ImageCorruptError(
            f"the image {path!r} has an array of {len(array.shape)} axes, but its metadata name "
            f"{len(ome.axes)}"
        )
    require_plane_size(array.shape, limits)
    require_total_size(prod(array.shape[:-2]), prod(array.shape) * array.dtype.itemsize, limits)
    require_size(array)
    return ZarrImage(place.name or ome.name, path, ome, array, place.in_xml)


def outline_of(hierarchy: Hierarchy, place: ImagePlace) -> tuple[str, tuple[int, ...]]:
    """Return the axes and the shape that an image claims, for a list; empty ones if it cannot be read.

    Raises ImageCorruptError if a document is broken.
    """
    ome = multiscale(place.described, place.attributes)
    shape = _array_of(hierarchy, place, ome)[1].content.get("shape")
    lengths = shape if isinstance(shape, list) and all(isinstance(each, int) for each in shape) else []
    if len(lengths) != len(ome.axes):
        return "", ()
    axes, leading = squeezed(ome.axes[:-2], lengths[:-2])
    return axes + "YX", (*leading, *lengths[-2:])


def _array_of(hierarchy: Hierarchy, place: ImagePlace, ome: Multiscale) -> tuple[str, ArrayDocument]:
    path = "/".join(filter(None, (place.group, ome.path.strip("/"))))
    document = hierarchy.array(path)
    if document is None:
        raise ImageCorruptError(
            f"the array {path!r}, which holds the image at full resolution, is not in the files"
        )
    return path, document
