"""Channels of an image: which planes are theirs, and what they are called."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from models_store.image_files.channels import (
    ChannelPlanes,
    channel_label,
    channel_of_plane,
    channel_title,
    channels_of,
    planes_of_channel,
    survey_image,
)
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.reader import open_planes
from models_store.survey.survey import Survey, survey_planes
from tests.support.headers import header_of


@pytest.mark.parametrize("axes", ["CYX", "TCYX", "CTYX", "TCZYX", "CZYX", "PTCZYX"])
def test_planes_belong_to_the_channel_at_their_place_along_the_axis(axes: str) -> None:
    shape = tuple({"T": 4, "C": 3, "Z": 5, "P": 2, "Y": 16, "X": 17}[axis] for axis in axes)
    header = header_of(axes, shape)
    numbers = np.arange(header.planes).reshape(shape[:-2])
    assert channels_of(header) == range(3)
    for channel in range(3):
        planes = planes_of_channel(header, channel)
        assert planes == np.take(numbers, channel, axis=axes.index("C")).ravel().tolist()
        assert {channel_of_plane(header, plane) for plane in planes} == {channel}


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (16, 16)), ("TZYX", (2, 3, 16, 16)), ("CYX", (1, 16, 16))]
)
def test_an_image_without_several_channels_has_none(axes: str, shape: tuple[int, ...]) -> None:
    assert not channels_of(header_of(axes, shape))


@pytest.mark.parametrize(
    ("names", "label", "title"),
    [
        (("DAPI", "GFP"), "GFP", "channel 2 of 2 (GFP)"),
        ((), "1", "channel 2 of 2"),
        (("488", "488"), "1", "channel 2 of 2"),
        (("DAPI", " "), "1", "channel 2 of 2"),
        (("DAPI", "GFP\0"), "1", "channel 2 of 2"),
        (("a", "b" * 200), "b" * 200, f"channel 2 of 2 ({'b' * 60})"),
        (("a", "b" * 201), "1", "channel 2 of 2"),
    ],
)
def test_a_channel_is_called_by_its_name_if_that_tells_it_apart(
    names: tuple[str, ...], label: str, title: str
) -> None:
    header = header_of("CYX", (2, 16, 16), names)
    assert (channel_label(header, 1), channel_title(header, 1)) == (label, title)


def _to_12_digits(survey: Survey) -> Any:
    """Return a survey as JSON; the last digits of sums depend on where in memory the pixels are."""
    return json.loads(survey.model_dump_json(), parse_float=lambda digits: float(f"{float(digits):.12g}"))


def test_each_channel_is_surveyed_like_an_image_of_its_own(tmp_path: Path, reader: Reader) -> None:
    planes = np.random.default_rng(3).integers(0, [[[[10]], [[4000]]]], (3, 2, 32, 40), dtype=np.uint16)
    path = tmp_path / "two.tif"
    tifffile.imwrite(path, planes, imagej=True, metadata={"axes": "TCYX"})
    with open_planes(path) as source:
        survey = survey_image(source)
        assert [*map(len, (ChannelPlanes(source, channel) for channel in range(2)))] == [3, 3]
    alone = [survey_planes(planes[:, channel]) for channel in range(2)]
    assert [each.model_copy(update={"brightness": None}) for each in survey.channels] == alone
    assert [each.brightness.planes for each in survey.channels if each.brightness] == [3, 3]
    assert survey.values is not None
    assert survey.values.max_adu == planes.max()
    opened, _ = reader.inspect(path)
    assert _to_12_digits(opened.survey()) == _to_12_digits(survey)
