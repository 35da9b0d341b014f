"""What every reader keeps to: the same planes by any way and in any order, closed files, honest headers."""

import gc
import os
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import prod
from pathlib import Path

import numpy as np
import psutil
import pytest

from models_store.contracts.vocabulary import OutputDtype, OutputFormat
from models_store.errors import ClearScopeError, ReaderFailedError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.ranged_stream import RangedStream
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.opening import open_planes
from models_store.image_files.planes import PlaneSource
from models_store.image_files.results.result_file import ResultOptions, is_ome_zarr, write_result
from tests.support.ranged_bytes import CountedBytes, CountedFile
from tests.support.reader_kinds import KINDS, Pixels, ReaderKind

REAL = {
    "CZI": ("vendor/czi_CellDivision_T3_Z5_CH2_X240_Y170.czi", None),
    "CZI scene": ("vendor/czi_WellD6-7_S2.czi", 1),
    "ND2": ("vendor/nd2_cluster.nd2", None),
    "LIF": ("vendor/lif_2channel_xz.lif", 0),
    "NDTiff": ("formats/ndtiff_v3_12bit_mda", None),
    "OME-TIFF set": ("vendor/ome_companion", None),
}


class Example:
    """A file or folder, the number of its image, and its planes (number, Y, X)."""

    def __init__(self, path: Path, planes: Pixels, series: int | None = None) -> None:
        self.path = path
        self.planes = planes
        self.series = series

    def opened(self) -> AbstractContextManager[PlaneSource]:
        return open_planes(self.path, series=self.series)


Opened = AbstractContextManager[PlaneSource]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kinds")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def made(request: pytest.FixtureRequest, folder: Path) -> Example:
    kind: ReaderKind = request.param
    return Example(*kind.written(folder / kind.name))


@pytest.fixture(scope="module", params=[*KINDS, *REAL], ids=lambda kind: getattr(kind, "name", kind))
def example(request: pytest.FixtureRequest, folder: Path) -> Example:
    if isinstance(request.param, ReaderKind):
        return Example(*request.param.written(folder / f"{request.param.name}_any"))
    name, series = REAL[request.param]
    path = request.getfixturevalue("test_data") / name
    with open_planes(path, series=series) as planes:
        return Example(path, np.stack([*planes]), series)


def assert_reads(planes: PlaneSource, expected: Pixels, order: list[int]) -> None:
    for index in order:
        plane = planes[index]
        assert plane.dtype.isnative
        np.testing.assert_array_equal(plane, expected[index])


def orders(planes: int) -> list[list[int]]:
    """Return orders of access: forwards, backwards, anyhow and one plane twice."""
    anyhow = np.random.default_rng(planes).permutation(planes).tolist()
    return [[*range(planes)], [*reversed(range(planes))], [*anyhow, anyhow[-1]]]


@contextmanager
def by_descriptor(example: Example) -> Iterator[PlaneSource]:
    descriptor = os.open(example.path, os.O_RDONLY)
    os.lseek(descriptor, 7, os.SEEK_SET)
    with open_planes(descriptor, series=example.series) as planes:
        yield planes
    os.close(descriptor)  # raises if the reader closed what is not its own


@contextmanager
def by_ranges(example: Example) -> Iterator[PlaneSource]:
    stream = RangedStream(CountedBytes(example.path.read_bytes()))
    with open_planes(stream, series=example.series) as planes:
        yield planes
    assert not stream.closed


WAYS: tuple[Callable[[Example], Opened], ...] = (Example.opened, by_descriptor, by_ranges)


def test_planes_are_the_same_by_any_way_and_in_any_order(example: Example) -> None:
    for opened_by in (Example.opened,) if example.path.is_dir() else WAYS:
        for order in orders(len(example.planes)):
            with opened_by(example) as planes:
                assert_reads(planes, example.planes, order)


def test_a_reading_process_reads_the_same(reader: Reader, example: Example) -> None:
    sources: list[Path | CountedFile] = [example.path]
    if example.path.is_file():
        sources.append(CountedFile(example.path.read_bytes()))
    for source in sources:
        planes = reader.open(source, series=example.series)
        for order in orders(len(example.planes)):
            assert_reads(planes, example.planes, order)
        with example.opened() as direct:
            assert planes.header == direct.header


def test_two_that_are_open_at_once_do_not_disturb_each_other(example: Example, reader: Reader) -> None:
    last = len(example.planes) - 1
    opened = [reader.open(example.path, series=example.series) for _ in range(2)]
    with example.opened() as one, example.opened() as other:
        for first, second in [(one, other), opened]:
            for index in range(last + 1):
                np.testing.assert_array_equal(first[index], example.planes[index])
                np.testing.assert_array_equal(second[last - index], example.planes[last - index])


def test_the_header_agrees_with_the_planes(example: Example) -> None:
    with example.opened() as planes:
        header, read = planes.header, [*planes]
        assert header.planes == len(planes) == len(read) == len(example.planes) == prod(header.shape[:-2])
        assert len(set(header.axes)) == len(header.axes) == len(header.shape)
        assert header.axes.endswith("YX")
        assert set(header.axes[:-2]) <= set("TZCPRI")
        assert 1 not in header.shape[:-2]
        assert {plane.shape for plane in read} == {header.shape[-2:]}
        assert (header.height_px, header.width_px) == header.shape[-2:]
        assert {plane.dtype.name for plane in read} == {header.dtype}
        assert header.decoded_bytes == sum(plane.nbytes for plane in read)
        channels = header.shape[header.axes.index("C")] if "C" in header.axes else 1
        for of_channels in (
            header.channel_names,
            header.channel_colours,
            header.acquisition,
            header.optics,
        ):
            assert len(of_channels) in {0, channels}
        for index in (len(planes), -len(planes) - 1):
            with pytest.raises(IndexError):
                planes[index]
        np.testing.assert_array_equal(planes[-1], read[-1])


def test_nothing_stays_open(example: Example) -> None:
    process = psutil.Process()
    with example.opened() as planes:
        planes[0]
    del planes
    before = process.num_fds()
    with example.opened() as planes:
        planes[len(planes) - 1]
    opened = example.opened()
    opened.__enter__()[0]
    error = RuntimeError("an error of the caller")
    assert not opened.__exit__(RuntimeError, error, None)
    del opened
    # Of what other tests have left, something may have been closed meanwhile.
    assert process.num_fds() <= before


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_memory_is_that_of_few_planes(kind: ReaderKind, tmp_path: Path) -> None:
    longest = next(axis for axis in kind.axes if axis in "TIZ")
    others = prod(kind.pixels().shape[:-2]) // kind.pixels().shape[0]
    sides = {"Y": 128, "X": 160}
    path, expected = kind.written(tmp_path / "long", **{longest: 42 // others}, **sides)
    plane_bytes = expected[0].nbytes
    with open_planes(path) as planes:
        planes[0]
        gc.collect()
        tracemalloc.start()
        for index in range(len(planes)):
            planes[index]
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert kept < 8 * plane_bytes
    assert peak < 16 * plane_bytes


def _copy(path: Path, folder: Path) -> Path:
    """Copy a file or folder into a folder."""
    copy = folder / path.name
    return Path(shutil.copytree(path, copy) if path.is_dir() else shutil.copy(path, copy))


def _largest(path: Path) -> Path:
    """Return a file, or the largest of a folder."""
    files = [each for each in (path, *path.rglob("*")) if each.is_file()]
    return max(files, key=lambda each: each.stat().st_size)


def test_a_file_cut_in_half_is_refused_or_told(
    isolation: Isolation, example: Example, tmp_path: Path
) -> None:
    path = _copy(example.path, tmp_path)
    os.truncate(_largest(path), _largest(path).stat().st_size // 2)
    with isolation.reader() as reader:
        try:
            planes = reader.open(path, series=example.series)
            read = [*planes]
        except ReaderFailedError:
            raise
        except ClearScopeError as refusal:
            assert len(refusal.detail) > 20  # noqa: PT017  # complete planes may also be read
            assert "crash" not in refusal.detail  # noqa: PT017
            return
    assert 0 < len(read) < len(example.planes)
    assert any("plane" in text for text in planes.header.warnings)
    known = {plane.tobytes() for plane in example.planes}
    assert all(plane.tobytes() in known for plane in read)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9])
def test_a_flipped_byte_is_refused_or_harmless(
    isolation: Isolation, made: Example, tmp_path: Path, share: float
) -> None:
    path = _copy(made.path, tmp_path)
    changed = _largest(path)
    content = bytearray(changed.read_bytes())
    content[int(share * len(content))] ^= 0x55
    changed.write_bytes(content)
    with isolation.reader() as reader:
        try:
            planes = reader.open(path)
            read = [*planes]
        except ReaderFailedError:
            raise
        except ClearScopeError as refusal:
            assert len(refusal.detail) > 20  # noqa: PT017  # the byte may also be one of a pixel
            assert "crash" not in refusal.detail  # noqa: PT017
            return
    assert len(read) == prod(planes.header.shape[:-2])
    assert {plane.shape for plane in read} == {planes.header.shape[-2:]}


def test_a_result_is_read_like_its_source(made: Example, tmp_path: Path) -> None:
    kept = {"axes", "shape", "dtype", "pixel_size_um", "channel_names", "time_interval_s"}
    with made.opened() as planes:
        header = planes.header
        is_zarr = is_ome_zarr(OutputFormat.SAME, header.file_kind)
        results = {OutputFormat.SAME: tmp_path / ("result.ozx" if is_zarr else "result.ome.tif")}
        if is_zarr:
            results[OutputFormat.OME_TIFF] = tmp_path / "result.ome.tif"
        for file_format, result in results.items():
            write_result(result, planes, like=planes, options=ResultOptions(file_format, OutputDtype.SAME))
            with open_planes(result) as again:
                assert again.header.model_dump(include=kept) == header.model_dump(include=kept)
                assert_reads(again, made.planes, [*range(len(made.planes))])
