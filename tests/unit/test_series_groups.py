"""Series of a file share networks and noise models if they were recorded alike."""

from typing import Any

import pytest

from models_store.image_files.header import ImageHeader, PixelSize
from models_store.job_requests.series_groups import SeriesFacts, recorded_alike
from models_store.survey.noise_line import NoisePoints
from models_store.survey.survey import Survey
from tests.support.headers import header_of

SIGNALS = tuple(range(20, 200, 10))


def header(**changes: Any) -> ImageHeader:  # any field
    alike = {"pixel_size_um": PixelSize(x_um=0.1, y_um=0.1), "channel_names": ("DAPI", "GFP")}
    return header_of("CYX", (2, 48, 64)).model_copy(update={**alike, **changes})


def survey(*gains: float) -> Survey:
    points = [
        NoisePoints(
            signal_adu=SIGNALS,
            variance_adu2=tuple(gain * signal for signal in SIGNALS),
            pixels=(1000,) * len(SIGNALS),
        )
        for gain in gains
    ]
    channels = tuple(Survey.of([]).model_copy(update={"noise": noise}) for noise in points)
    return Survey.of([]).model_copy(update={"channels": channels})


@pytest.mark.parametrize(
    "other",
    [
        header(channel_names=("GFP", "DAPI")),
        header(axes="YX", shape=(48, 64), channel_names=()),
        header(dtype="uint8"),
        header(pixel_size_um=PixelSize(x_um=0.2, y_um=0.2)),
        header(pixel_size_um=None),
    ],
    ids=["order-of-channels", "channels", "type", "size-of-a-pixel", "no-size"],
)
def test_other_headers_are_not_alike(other: ImageHeader) -> None:
    series = {number: SeriesFacts(each) for number, each in enumerate([header(), other, header(), other])}
    assert recorded_alike(series) == [[0, 2], [1, 3]]


def test_noise_of_one_channel_decides_once_it_is_known() -> None:
    surveys = [survey(2, 2), survey(2, 9), None, survey(2.5, 1.5), survey(2, 10)]
    series = {number: SeriesFacts(header(), each) for number, each in enumerate(surveys)}
    assert recorded_alike(series) == [[0, 2, 3], [1, 4]]


def test_other_sizes_of_image_are_alike() -> None:
    larger = header(shape=(2, 96, 128), height_px=96, width_px=128)
    slightly = header(pixel_size_um=PixelSize(x_um=0.1001, y_um=0.1))
    series = {"a": SeriesFacts(header()), "b": SeriesFacts(larger), "c": SeriesFacts(slightly)}
    assert recorded_alike(series) == [["a", "b", "c"]]
