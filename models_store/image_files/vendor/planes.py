"""Reader of vendors' files, one plane at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import openreadout
from numpy.typing import NDArray
from openreadout import ImageInfo

from models_store.errors import ImageCorruptError
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits, VendorKind
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.planes import ResultFormat
from models_store.image_files.vendor.acquisition import recorded
from models_store.image_files.vendor.display_channels import with_display_channels
from models_store.image_files.vendor.layout import Layout, kept
from models_store.image_files.vendor.lif_stage import with_stage_positions
from models_store.image_files.vendor.nd2_frames import with_frame_data
from models_store.image_files.vendor.nd2_regions import with_camera_regions
from models_store.image_files.vendor.present_planes import with_planes_present
from models_store.image_files.vendor.result_format import result_format
from models_store.image_files.vendor.series import choose, list_images
from models_store.image_files.vendor.vendor_file import VendorFile, open_vendor_file, raising_image_errors
from models_store.image_files.vendor.xml_metadata import xml_metadata


class VendorPlanes:
    """The PlaneSource of one image in a vendor's file, at full resolution."""

    def __init__(self, file: openreadout.File, image: ImageInfo, header: ImageHeader) -> None:
        self.header = header
        self._file = file
        self._image = image
        self._layout = Layout.of(image)
        self._t_in_file, self._z_in_file = kept(image)

    def __len__(self) -> int:
        return self.header.planes

    def __getitem__(self, index: int) -> NDArray[Any]:
        """Decode one plane. Raises ImageCorruptError if its bytes are missing or broken."""
        plane = range(len(self))[index]
        with raising_image_errors(f"plane {plane + 1} cannot be decoded"):
            read = [
                self._file.read_plane(
                    self._image["index"], at.c, self._z_in_file[at.z], self._t_in_file[at.t]
                )
                for at in self._layout.lines(plane)
            ]
        expected = (self.header.height_px // len(read), self.header.width_px)
        for part in read:
            if part.shape != expected or part.dtype != self.header.dtype:
                raise ImageCorruptError(
                    f"plane {plane + 1} decodes to {part.dtype} of the shape {part.shape}, expected "
                    f"{self.header.dtype} of {expected}"
                )
        return read[0] if len(read) == 1 else np.concatenate(read)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[plane] for plane in range(len(self)))

    def result_format(self, dtype: np.dtype[Any]) -> ResultFormat:
        """Return the metadata of a result with pixels of `dtype`, an OME-TIFF."""
        return result_format(self._image, self.header, dtype)


@contextmanager
def open_vendor_planes(
    file: StreamedFile, kind: VendorKind, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[VendorPlanes]:
    """Open an image of a vendor's file; raises the errors of `choose`."""
    with open_vendor_file(file, kind) as vendor_file:
        xml = xml_metadata(file, kind)
        images, size_bytes = _images_of(vendor_file, file, kind, xml)
        image, header = choose(images, series, kind, size_bytes, limits)
        header = header.model_copy(update=recorded(xml, image, kind))
        yield VendorPlanes(vendor_file.opened, image, header)


def list_vendor_images(
    file: StreamedFile, kind: VendorKind, limits: ImageLimits = DEFAULT_LIMITS
) -> ImagesInFile:
    """List the images of a vendor's file; raises like `open_vendor_planes` if none is usable."""
    with open_vendor_file(file, kind) as vendor_file:
        xml = xml_metadata(file, kind)
        images, size_bytes = _images_of(vendor_file, file, kind, xml)
        return list_images(images, kind, size_bytes, limits, lambda image: recorded(xml, image, kind))


def _images_of(
    file: VendorFile, source: StreamedFile, kind: VendorKind, xml: ET.Element | None
) -> tuple[list[ImageInfo], int]:
    """Return the images of a file, and its size in bytes."""
    with raising_image_errors("the file's metadata is broken"):
        images = list(file.opened.info["images"])
        if file.lacks_planes:
            images = with_planes_present(file.opened, images)
        if kind == "nd2":
            with stream_of(source) as stream:
                images = with_frame_data(file.opened, stream, images)
            images = with_camera_regions(file.opened, images)
        if kind == "lif":
            images = with_stage_positions(images, xml)
        if kind == "czi":
            images = with_display_channels(images, xml)
        return images, file.opened.info["size_bytes"]
