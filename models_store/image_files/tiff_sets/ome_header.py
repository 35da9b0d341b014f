"""Header and result of an image that the OME-XML of a set describes."""

from typing import Any

import numpy as np

from models_store.image_files.claimed_size import require_plausible, require_total_size
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.planes import ResultFormat
from models_store.image_files.tiff.grey import shows_white_as_zero
from models_store.image_files.tiff.ome import ResultPixels, ome_can_hold_type, rewrite_ome
from models_store.image_files.tiff.ome_layout import OmeLayout
from models_store.image_files.tiff.ome_settings import ome_settings
from models_store.image_files.tiff.physical import ome_physical
from models_store.image_files.tiff.plane_grid import grid_of
from models_store.image_files.tiff.result_metadata import needs_bigtiff, pixels_per_cm
from models_store.image_files.tiff.tiff_file import raising_image_corrupt
from models_store.image_files.tiff_sets.members import Members, naming
from models_store.image_files.tiff_sets.ome_set import SetImage
from models_store.image_files.tiff_sets.planes import values_of


def header_of(image: SetImage, members: Members, limits: ImageLimits) -> ImageHeader:
    """Return the header of an image; its first plane tells the kind of pixels. See `inspect_image`."""
    first = image.places[0]
    member = members[first.file]
    with naming(first.file), raising_image_corrupt("the first page cannot be read"):
        page = member.page(first.page)
        values = values_of(member, page, limits)
    axes, leading = grid_of(image.ome.axes, image.ome.coordinates)
    physical = ome_physical(image.document.xml, image.ome)
    channels = leading[axes.index("C")] if "C" in axes else 1
    names = physical.channel_names
    planes = len(image.places)
    header = ImageHeader(
        axes=axes + "YX",
        shape=(*leading, page.imagelength, page.imagewidth),
        dtype=values.dtype.name,
        planes=planes,
        height_px=page.imagelength,
        width_px=page.imagewidth,
        pixel_size_um=physical.pixel_size_um,
        channel_names=names if len(names) == channels else (),
        file_kind="ome",
        decoded_bytes=planes * page.imagelength * page.imagewidth * values.dtype.itemsize,
        white_is_zero=shows_white_as_zero(page),
        warnings=tuple(image.warnings(members)),
        **(ome_settings(image.document.xml, image.ome) if len(image.ome.along("C")) == channels else {}),
    )
    require_total_size(header.planes, header.decoded_bytes, limits)
    require_plausible(header, sum(map(members.files.size_bytes, image.files)))
    return header


def result_format(image: SetImage, header: ImageHeader, dtype: np.dtype[Any]) -> ResultFormat:
    """Return the format of a result: OME-TIFF with OME-XML of its own; plain if OME has no such pixels."""
    writer = {"bigtiff": needs_bigtiff(header, dtype)}
    shown = {"photometric": "miniswhite" if header.white_is_zero else "minisblack", **pixels_per_cm(header)}
    if not ome_can_hold_type(dtype):
        return ResultFormat(writer, {"metadata": {"axes": header.axes}, **shown})
    layout = OmeLayout((image.ome,), len(image.places))
    pixels = ResultPixels(dtype, header.height_px, header.width_px)
    xml = rewrite_ome(image.document.xml, layout, pixels)
    return ResultFormat(writer, {"description": xml, "metadata": None, **shown})
