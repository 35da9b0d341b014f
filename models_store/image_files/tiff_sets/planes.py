"""Planes of an image whose pages are in several TIFF files."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffPage

from models_store.errors import ImageCorruptError, ImageUnsupportedError
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.grey import samples_as_planes
from models_store.image_files.tiff.imagej import is_signed
from models_store.image_files.tiff.inspect import require_page
from models_store.image_files.tiff.pixel_values import PixelValues, pixel_values
from models_store.image_files.tiff.reader import decode_page
from models_store.image_files.tiff.tiff_file import raising_image_corrupt
from models_store.image_files.tiff_sets.members import Member, Members, Place, naming


class SetPlanes:
    """The PlaneSource of an image in several TIFF files, one page for each plane."""

    def __init__(
        self,
        header: ImageHeader,
        members: Members,
        places: Sequence[Place],
        limits: ImageLimits,
        result: Callable[[np.dtype[Any]], ResultFormat],
    ) -> None:
        self.header = header
        self._members = members
        self._places = places
        self._limits = limits
        self._result = result

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Decode one plane. Raises ImageCorruptError if its page is missing, broken, or unlike the others."""
        plane = range(len(self))[index]
        place = self._places[plane]
        member = self._members[place.file]
        with naming(place.file), raising_image_corrupt(f"plane {plane + 1} cannot be decoded"):
            page = member.page(place.page)
            values = values_of(member, page, self._limits)
            found = (page.imagelength, page.imagewidth, values.dtype)
            expected = (self.header.height_px, self.header.width_px, np.dtype(self.header.dtype))
            if found != expected:
                raise ImageCorruptError(
                    f"plane {plane + 1} has {found[1]} x {found[0]} pixels of {found[2]}, others of the "
                    f"image {expected[1]} x {expected[0]} of {expected[2]}; the file may be of another set"
                )
            decoded = decode_page(page, plane, member.tiff.filehandle.size)
            plane_yx = values.of(decoded, page, plane)
        if plane_yx.shape != expected[:2] or plane_yx.dtype != expected[2]:
            raise ImageCorruptError(
                f"plane {plane + 1} decodes to {plane_yx.dtype} of {plane_yx.shape}, expected "
                f"{expected[2]} of {expected[:2]}; copy the file again"
            )
        return plane_yx

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the TIFF flavour and metadata of a result with pixels of `dtype`."""
        return self._result(dtype)


def values_of(member: Member, page: TiffPage, limits: ImageLimits) -> PixelValues:
    """Return the rule for the pixels of a page. Raises errors if it cannot be denoised."""
    require_page(page, limits)
    if samples_as_planes(page) > 1:
        raise ImageUnsupportedError(
            f"a page holds {page.samplesperpixel} planes as samples; save the set with one page per plane"
        )
    signed = member.tiff.is_imagej and is_signed(member.tiff.imagej_metadata or {})
    return pixel_values(page, signed=signed)
