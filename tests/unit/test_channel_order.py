"""Planes of several channels in the order of their image."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.contracts.vocabulary import Output
from models_store.errors import JobFailedError
from models_store.image_files.tiff.reader import open_planes
from tests.support.headers import header_of
from worker.jobs.channel_order import CopiedChannels, in_order

HEADER = header_of("CTYX", (2, 3, 16, 17))
PLANES = [np.full((16, 17), plane, np.float32) for plane in range(6)]


def test_planes_of_channels_come_in_the_order_of_the_image() -> None:
    streams: dict[int | None, Iterator[np.ndarray]] = {1: iter(PLANES[3:]), 0: iter(PLANES[:3])}
    numbers = [plane[0, 0] for plane in in_order(HEADER, streams, lambda _: PLANES[0])]
    assert numbers == [0, 1, 2, 3, 4, 5]
    interleaved = header_of("TCYX", (3, 2, 16, 17))
    streams = {0: iter(PLANES[:3]), 1: iter(PLANES[3:])}
    assert [plane[0, 0] for plane in in_order(interleaved, streams, lambda _: PLANES[0])] == [
        0,
        3,
        1,
        4,
        2,
        5,
    ]


def test_every_stream_is_read_to_its_end() -> None:
    ends = []

    def ending(number: int) -> Iterator[np.ndarray]:
        yield from PLANES[:3]
        ends.append(number)

    deque(in_order(HEADER, {0: ending(0), 1: ending(1)}, lambda _: PLANES[0]), maxlen=0)
    assert sorted(ends) == [0, 1]


def test_missing_planes_are_an_error() -> None:
    with pytest.raises(JobFailedError, match="plane 5, of channel 1"):
        list(in_order(HEADER, {0: iter(PLANES[:3]), 1: iter(PLANES[:2])}, lambda _: PLANES[0]))


def test_an_empty_channel_is_copied_and_told_once(tmp_path: Path) -> None:
    planes = np.zeros((3, 2, 16, 17), np.uint16)
    planes[:, 0] = np.arange(16 * 17).reshape(16, 17)
    planes[2, 1, 4, 4] = 9
    tifffile.imwrite(tmp_path / "a.tif", planes, imagej=True, metadata={"axes": "TCYX"})
    told: list[str] = []
    copied = CopiedChannels(told.append)
    with open_planes(tmp_path / "a.tif") as source:
        for plane in (1, 3):
            assert not copied.plane(source, plane, Output.DENOISED).any()
        assert told == ["channel 2 of 2 is empty (one value, or none), so its planes are copied"]
        assert copied.plane(source, 5, Output.DENOISED)[4, 4] == 9
        assert np.isnan(copied.plane(source, 5, Output.POSTERIOR_STD)).all()
    assert "channel 2 of 2: plane 6 is not empty, but was copied" in told[1]
    assert copied.warnings == told
