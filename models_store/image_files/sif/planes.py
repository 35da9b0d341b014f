"""Reader of SIF files, one plane at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from models_store.errors import ImageSeriesError
from models_store.image_files.acquisition import told
from models_store.image_files.acquisition_date import acquired_at_unix_s
from models_store.image_files.claimed_size import require_plane_size, require_total_size
from models_store.image_files.file_streams import StreamedFile, stream_of
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits
from models_store.image_files.raw_frames import RawFrames
from models_store.image_files.sif.layout import FrameLayout, frame_layout, read_head
from models_store.image_files.sif.settings import acquisition, cycle_s, recorded

_STORED = np.dtype("<f4")


@contextmanager
def open_sif_planes(
    file: StreamedFile, limits: ImageLimits = DEFAULT_LIMITS, series: int | None = None
) -> Iterator[RawFrames]:
    """Open the signal of an SIF file.

    Raises ImageSeriesError, ImageUnsupportedError, ImageContentError, ImageTooLargeError, ImageCorruptError.
    """
    if series:
        raise ImageSeriesError(f"there is no series {series}: of SIF, only the signal is read; leave it out")
    with stream_of(file) as stream:
        head = read_head(stream)
        layout = frame_layout(head, stream)
        yield RawFrames(stream, _header_of(head, layout, limits), _STORED, layout.start_bytes)


def _header_of(head: bytes, layout: FrameLayout, limits: ImageLimits) -> ImageHeader:
    shape_tyx = (layout.frames, layout.height_px, layout.width_px)
    decoded_bytes = layout.frames * layout.frame_bytes
    require_plane_size(shape_tyx, limits)
    require_total_size(layout.frames, decoded_bytes, limits)
    settings = recorded(head)
    is_movie = layout.frames > 1
    return ImageHeader(
        axes="TYX" if is_movie else "YX",
        shape=shape_tyx if is_movie else shape_tyx[1:],
        dtype=_STORED.newbyteorder("=").name,
        planes=layout.frames,
        height_px=layout.height_px,
        width_px=layout.width_px,
        pixel_size_um=None,
        channel_names=(),
        file_kind="sif",
        decoded_bytes=decoded_bytes,
        warnings=(
            ("the file also holds a background or another reference image, which is not read",)
            if layout.has_other_images
            else ()
        ),
        acquisition=told([acquisition(settings, layout.binning_xy, layout.height_px)]),
        time_interval_s=cycle_s(settings) if is_movie else None,
        acquired_at=acquired_at_unix_s(settings.get("unix_s")),
    )
