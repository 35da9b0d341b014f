"""Fuzzing: for any bytes, the reader returns a header or says what is wrong with the file."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models_store.errors import ImageError, ImageTooLargeError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reading_limits import ReadingLimits
from tests.support.lif_files import LifImage, lif_content
from tests.support.reader_kinds import KINDS
from tests.support.tiff_bytes import Entry, Field, Layout, build, entries_of, layout_of

LIMITS = ReadingLimits(memory_bytes=2**32, answer_s=120.0)
LARGEST_SEED_BYTES = 300_000

WORDS = [0, 1, 2, 3, 8, 15, 16, 255, 2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
TAGS = [
    *(254, 255, 256, 257, 258, 259, 262, 266, 270, 273, 274, 277, 278, 279, 282, 283, 284, 292, 296, 297),
    *(305, 306, 317, 320, 322, 323, 324, 325, 330, 338, 339, 347, 513, 514, 530, 700, 32997, 33432, 33550),
    *(
        33628,
        33629,
        33630,
        33922,
        34118,
        34361,
        34412,
        34665,
        34735,
        37706,
        42112,
        43314,
        50838,
        50839,
        51023,
    ),
    *(51123, 65200, 65420, 65425),
]
COMPRESSIONS = [1, 2, 5, 6, 7, 8, 32773, 32946, 34712, 34925, 50000, 50001, 50002, 34887, 33003]


class FuzzedReader:
    """Reads files as the server does."""

    def __init__(self, isolation: Isolation, folder: Path) -> None:
        self._isolation = isolation
        self._file = folder / "fuzzed.tif"

    def read(self, content: bytes) -> bool:
        """Return whether it is an image; fail unless it is read or refused in time."""
        self._file.write_bytes(content)
        refusal = None
        with self._isolation.reader(LIMITS) as reader:
            try:
                planes, preview_png = reader.inspect(self._file)
                planes.survey()
                planes.result_format(np.dtype("float32"))
            except (ImageError, ImageTooLargeError) as error:
                refusal = error
        if refusal is not None:
            assert refusal.detail
            assert "could not be read within" not in refusal.detail
            return False
        header = planes.header
        assert header.shape[-2:] == (header.height_px, header.width_px)
        assert preview_png.startswith(b"\x89PNG")
        return True


@pytest.fixture(scope="module")
def reader(isolation: Isolation, tmp_path_factory: pytest.TempPathFactory) -> FuzzedReader:
    return FuzzedReader(isolation, tmp_path_factory.mktemp("fuzz"))


def _written(planes: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, planes, photometric="minisblack", **options)
    return file.getvalue()


def _own_seeds() -> list[bytes]:
    noise = np.random.default_rng(0).integers(100, 200, (6, 32, 48)).astype(np.uint16)
    tcz = noise.reshape(1, 2, 3, 32, 48)
    return [
        _written(noise[0], metadata=None),
        _written(noise[0].astype(np.float32), metadata=None, byteorder=">", predictor=3, compression="zlib"),
        _written(noise[:2], bigtiff=True, metadata=None),
        _written(noise, imagej=True, metadata={"axes": "ZYX", "spacing": 0.5, "unit": "um"}),
        _written(tcz[0], ome=True, metadata={"axes": "CZYX", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}),
        _written(noise[:2], tile=(16, 16), compression="lzw", predictor=True, metadata={"axes": "ZYX"}),
        _written(noise[0] > 150, metadata=None),
        _written(noise[0].astype(np.uint8), metadata=None, compression="jpeg"),
        _written(noise[0], metadata=None, rowsperstrip=5, compression="zstd", resolution=(1e4, 1e4, 3)),
        _written(noise[0].astype(np.int16), metadata=None, compression="lzma"),
    ]


def _shared_seeds(test_data: Path) -> list[bytes]:
    files = sorted(path for name in ("malformed", "formats") for path in (test_data / name).rglob("*.tif*"))
    return [path.read_bytes() for path in files if path.stat().st_size <= LARGEST_SEED_BYTES]


def _numbers(content: bytes) -> st.SearchStrategy[int]:
    near = st.integers(-20, 20).map(lambda step: len(content) + step)
    within = st.integers(0, max(0, len(content) - 1))
    return st.one_of(st.sampled_from(WORDS), st.integers(0, 2**16), near, within)


@st.composite
def _changed(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Draw a seed file with a few corruptions."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 6))):
        if not content:
            break
        change = draw(st.sampled_from(["entry", "entry", "entry", "flip", "bytes", "cut", "drop", "splice"]))
        at = draw(st.integers(0, len(content) - 1))
        if change == "entry":
            _edit_entry(draw, content)
        elif change == "flip":
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "bytes":
            value = draw(st.binary(min_size=1, max_size=16))
            content[at : at + len(value)] = value
        elif change == "cut":
            del content[at:]
        elif change == "drop":
            del content[at : at + draw(st.integers(1, 64))]
        else:
            other = draw(st.sampled_from(seeds))
            start = draw(st.integers(0, max(0, len(other) - 1)))
            length = draw(st.integers(1, 4096))
            content[at : at + length] = other[start : start + length]
    return bytes(content)


def _edit_entry(draw: st.DrawFn, content: bytearray) -> None:
    """Change a field of a directory entry: tag, type, count or value."""
    layout, entries = layout_of(bytes(content)), entries_of(bytes(content))
    if layout is None or not entries:
        return
    fields: list[Field] = ["tag", "type", "count", "value"]
    field = draw(st.sampled_from(fields))
    start, length = layout.place(draw(st.sampled_from(entries)), field)
    numbers = {"tag": st.sampled_from(TAGS), "type": st.integers(0, 20)}.get(field, _numbers(bytes(content)))
    number = draw(numbers)
    content[start : start + length] = layout.short(number) if length == 2 else layout.word(number)


@st.composite
def _built(draw: st.DrawFn) -> bytes:
    """Draw a file built from scratch: almost valid pages with invalid entries."""
    orders: list[Any] = ["<", ">"]
    layout = Layout(draw(st.sampled_from(orders)), big=draw(st.booleans()))
    body = draw(st.binary(min_size=0, max_size=300)) * draw(st.integers(1, 20))
    words = st.one_of(st.sampled_from(WORDS), st.integers(0, 2 * len(body) + 64))
    odd = st.builds(Entry, tag=st.sampled_from(TAGS), type=st.integers(0, 20), count=words, value=words)
    pages = []
    for _ in range(draw(st.integers(1, 3))):
        width, height = draw(st.integers(14, 40)), draw(st.integers(14, 40))
        entries = [
            Entry(256, 4, 1, width),
            Entry(257, 4, 1, height),
            Entry(258, 4, 1, draw(st.sampled_from([1, 4, 8, 12, 16, 32, 64]))),
            Entry(259, 4, 1, draw(st.sampled_from(COMPRESSIONS))),
            Entry(262, 4, 1, draw(st.sampled_from([0, 1, 1, 1, 2, 3, 34892]))),
            Entry(273, 4, 1, draw(words)),
            Entry(277, 4, 1, draw(st.sampled_from([1, 1, 1, 2, 3]))),
            Entry(278, 4, 1, height),
            Entry(279, 4, 1, draw(words)),
            Entry(317, 4, 1, draw(st.sampled_from([1, 1, 2, 3, 34892]))),
            Entry(339, 4, 1, draw(st.integers(0, 6))),
        ]
        entries += draw(st.lists(odd, max_size=4))
        dropped = draw(st.sets(st.integers(0, len(entries) - 1), max_size=2))
        pages.append([entry for number, entry in enumerate(entries) if number not in dropped])
    return build(layout, pages, body)


def _fuzz(reader: FuzzedReader, files: st.SearchStrategy[bytes], examples: int) -> None:
    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(content=files)
    def read(content: bytes) -> None:
        reader.read(content)

    read()


def test_unchanged_files_are_read(reader: FuzzedReader) -> None:
    """A reader that refuses everything would pass the other tests."""
    assert all(reader.read(content) for content in _own_seeds())


def _lif_seeds() -> list[bytes]:
    pixels = np.random.default_rng(0).integers(100, 200, (2, 3, 20, 24)).astype(np.uint16)
    step_um = {"X": 0.1, "Y": 0.1, "Z": 0.5}
    return [
        lif_content([LifImage("stack", "CZYX", pixels, step_um, ("Green", "Red"))]),
        lif_content([LifImage("section", "ZX", pixels[0, 0], step_um)]),
    ]


def test_a_changed_file_of_a_vendor_is_read_or_refused(reader: FuzzedReader) -> None:
    assert all(reader.read(content) for content in _lif_seeds())
    _fuzz(reader, _changed(_lif_seeds()), 30)


def test_a_changed_file_is_read_or_refused(reader: FuzzedReader) -> None:
    _fuzz(reader, _changed(_own_seeds()), 80)


def test_a_changed_real_file_is_read_or_refused(reader: FuzzedReader, test_data: Path) -> None:
    _fuzz(reader, _changed(_shared_seeds(test_data)), 80)


def test_a_file_built_of_odd_parts_is_read_or_refused(reader: FuzzedReader) -> None:
    _fuzz(reader, _built(), 80)


# The examples are the same in every run, so after one without a finding they find what a change of readers
# breaks: more of them are further places of the same kinds of damage.
MANY = 4_000


@pytest.mark.slow
def test_many_changed_files_are_read_or_refused(reader: FuzzedReader, test_data: Path) -> None:
    _fuzz(reader, _changed([*_own_seeds(), *_shared_seeds(test_data)]), MANY)


@pytest.mark.slow
def test_many_files_built_of_odd_parts_are_read_or_refused(reader: FuzzedReader) -> None:
    _fuzz(reader, _built(), MANY)


@pytest.mark.slow
def test_many_changed_files_of_microscopes_are_read_or_refused(reader: FuzzedReader, test_data: Path) -> None:
    names = ("czi_newCZI_compressed.czi", "nd2_cluster.nd2")
    seeds = [(test_data / "vendor" / name).read_bytes() for name in names]
    assert all(reader.read(content) for content in seeds)
    _fuzz(reader, _changed(seeds), 1_000)


@pytest.mark.slow
def test_many_changed_files_of_vendors_are_read_or_refused(reader: FuzzedReader, tmp_path: Path) -> None:
    endings = (".ims", ".mrc", ".dm3", ".dm4", ".dcimg", ".oib", ".oir", ".spe", ".sif")
    kinds = [kind for kind in KINDS if kind.name.endswith(endings)]
    seeds = [kind.written(tmp_path / kind.name)[0].read_bytes() for kind in kinds]
    assert all(reader.read(content) for content in seeds)
    _fuzz(reader, _changed(seeds), 1_000)
