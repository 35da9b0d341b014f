"""Headers of images that need no file."""

from math import prod

from models_store.image_files.header import ImageHeader


def header_of(axes: str, shape: tuple[int, ...], channel_names: tuple[str, ...] = ()) -> ImageHeader:
    planes = prod(shape[:-2])
    return ImageHeader(
        axes=axes,
        shape=shape,
        dtype="uint16",
        planes=planes,
        height_px=shape[-2],
        width_px=shape[-1],
        pixel_size_um=None,
        channel_names=channel_names,
        file_kind="tiff",
        decoded_bytes=2 * prod(shape),
    )
