"""Images of one job whose exposures differ."""

import pytest

from models_store.image_files.acquisition import Acquisition
from models_store.image_files.header import ImageHeader
from models_store.job_requests.exposure_warnings import exposure_warnings


def header(*exposures_s: float | None) -> ImageHeader:
    """Return the header of an image with so many channels."""
    return ImageHeader(
        axes="CYX",
        shape=(len(exposures_s), 20, 20),
        dtype="uint16",
        planes=len(exposures_s),
        height_px=20,
        width_px=20,
        pixel_size_um=None,
        channel_names=(),
        file_kind="ome",
        decoded_bytes=0,
        acquisition=tuple(Acquisition(exposure_s=each) for each in exposures_s),
    )


@pytest.mark.parametrize(
    ("headers", "channel", "told"),
    [
        ([header(0.01), header(0.1), header(0.05)], None, "0.01 to 0.1 s"),
        ([header(0.01), header(0.015)], None, None),
        ([header(0.01), header(None)], None, None),
        ([header(0.01, 0.5)], None, None),
        ([header(0.01, 0.5), header(0.01, 0.1)], None, "0.1 to 0.5 s"),
        ([header(0.01, 0.5), header(0.01, 0.1)], 1, "0.1 to 0.5 s"),
        ([header(0.01, 0.5), header(0.01, 0.1)], 0, None),
        ([], None, None),
    ],
)
def test_far_exposures_are_told(headers: list[ImageHeader], channel: int | None, told: str | None) -> None:
    found = exposure_warnings(headers, channel)
    assert len(found) == (told is not None)
    assert all(told is not None and told in text for text in found)
