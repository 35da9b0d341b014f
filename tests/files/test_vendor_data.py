"""Real files of vendors: their headers, and their planes against those of other readers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models_store.errors import (
    ImageContentError,
    ImageCorruptError,
    ImageError,
    ImageSeriesError,
    ImageUnsupportedError,
)
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.opening import open_planes
from tests.support.vendor_facts import FACTS, Facts, name_of


def _planes_of_czi(path: Path, facts: Facts) -> NDArray[Any]:
    reader = pytest.importorskip("pylibCZIrw.czi")
    sizes = dict(zip(facts.axes, facts.shape, strict=True))
    with reader.open_czi(str(path)) as file:
        read = [
            file.read(plane={"T": t, "C": c, "Z": z}, scene=facts.series)
            for t in range(sizes.get("T", 1))
            for c in range(sizes.get("C", 1))
            for z in range(sizes.get("Z", 1))
        ]
    return np.stack(read).reshape(facts.shape)


def _planes_of_nd2(path: Path, facts: Facts) -> NDArray[Any]:
    reader = pytest.importorskip("nd2")
    with reader.ND2File(path) as file:
        return _ordered("".join(file.sizes), file.asarray(), facts)


def _planes_of_lif(path: Path, facts: Facts) -> NDArray[Any]:
    reader = pytest.importorskip("liffile")
    with reader.LifFile(path) as file:
        image = file.images[facts.series]
        dims = "".join(image.dims)
        return _ordered(dims if "Y" in dims else dims.replace("Z", "Y"), image.asarray(), facts)


def _ordered(axes: str, pixels: NDArray[Any], facts: Facts) -> NDArray[Any]:
    return pixels.transpose([axes.index(axis) for axis in facts.axes])


ORACLES: dict[str, Callable[[Path, Facts], NDArray[Any]]] = {
    ".czi": _planes_of_czi,
    ".nd2": _planes_of_nd2,
    ".lif": _planes_of_lif,
}


@pytest.fixture(scope="module")
def vendor_data(test_data: Path) -> Path:
    return test_data / "vendor"


@pytest.mark.parametrize("facts", FACTS, ids=name_of)
def test_the_header_says_what_the_microscope_wrote(reader: Reader, vendor_data: Path, facts: Facts) -> None:
    header = reader.open(vendor_data / facts.name, series=facts.series).header
    assert (header.axes, header.shape, header.dtype) == (facts.axes, facts.shape, facts.dtype)
    assert header.channel_names == facts.channels
    assert header.file_kind == Path(facts.name).suffix[1:]
    assert header.series == facts.series
    size = header.pixel_size_um
    if facts.size_um is None:
        assert size is None
    else:
        assert size is not None
        assert (size.x_um, size.y_um, size.z_um) == pytest.approx(facts.size_um)


@pytest.mark.parametrize("facts", FACTS, ids=name_of)
def test_planes_equal_those_of_another_reader_in_any_order(
    reader: Reader, vendor_data: Path, facts: Facts
) -> None:
    path = vendor_data / facts.name
    expected = ORACLES[path.suffix](path, facts)
    expected = expected.reshape(-1, *facts.shape[-2:])
    planes = reader.open(path, series=facts.series)
    assert len(planes) == len(expected)
    # Each plane of a reader that has just read another.
    for index in np.random.default_rng(0).permutation(len(expected)).tolist():
        np.testing.assert_array_equal(planes[index], expected[index])


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("czi_WellD6-7_S2.czi", "0 is 'D6', YX 440 x 544; 1 is 'D7', YX 440 x 544"),
        ("lif_2channel_xz.lif", "0 is '2channel_xz/xzt', TCYX 20 x 2 x 128 x 128"),
    ],
)
def test_a_file_of_several_images_lists_them(
    reader: Reader, vendor_data: Path, name: str, listed: str
) -> None:
    with pytest.raises(ImageSeriesError, match=r"name one .* as series") as refusal:
        reader.inspect(vendor_data / name)
    assert listed in refusal.value.detail


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("czi_100x100.czi", ImageContentError, "10 x 10 pixels; at least 16 x 16"),
        ("ome_companion/multifile.companion.ome", ImageUnsupportedError, "an XML file"),
    ],
)
def test_what_cannot_be_denoised_is_refused_byname_of(
    reader: Reader, vendor_data: Path, name: str, error: type[ImageError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        reader.inspect(vendor_data / name)


WHOLE = [facts for facts in FACTS if not facts.series]


@pytest.mark.parametrize("facts", WHOLE, ids=name_of)
def test_a_file_cut_in_half_is_refused(
    reader: Reader, vendor_data: Path, tmp_path: Path, facts: Facts
) -> None:
    content = (vendor_data / facts.name).read_bytes()
    path = tmp_path / facts.name
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageCorruptError, match=r"incomplete or broken|cannot be read"):
        reader.open(path, series=facts.series)


ONE_OF_EACH = {facts.name.rpartition(".")[2]: facts for facts in WHOLE}.values()
FLIPS = [
    *((facts, place) for facts in WHOLE for place in ("middle", "end")),
    *((facts, place) for facts in ONE_OF_EACH for place in ("begin", "header")),
]


@pytest.mark.parametrize(("facts", "place"), FLIPS, ids=lambda of: of if isinstance(of, str) else name_of(of))
def test_a_flipped_byte_is_refused_or_told_or_harms_its_own_pixel_only(
    isolation: Isolation, vendor_data: Path, tmp_path: Path, facts: Facts, place: str
) -> None:
    content = bytearray((vendor_data / facts.name).read_bytes())
    at = {"begin": 3, "header": 60, "middle": len(content) // 2, "end": len(content) - 40}[place]
    content[at] ^= 0xFF
    path = tmp_path / facts.name
    path.write_bytes(content)
    with open_planes(vendor_data / facts.name, series=facts.series) as original:
        expected = [*original]
    with isolation.reader(ReadingLimits(answer_s=60.0)) as reader:
        try:
            planes = reader.open(path, series=facts.series)
            read = [*planes]
        except ImageError as refusal:
            assert refusal.detail  # noqa: PT017  # a file may also be read
            return
    if planes.header.shape != original.header.shape:
        # The damaged plane cannot be found, and counts as one that was never recorded.
        assert any("planes are in the file" in text for text in planes.header.warnings)
        return
    differing = [np.count_nonzero(a != b) for a, b in zip(read, expected, strict=True)]
    assert sum(differing) <= 1


@pytest.mark.parametrize(
    ("name", "series", "microscope"),
    [
        ("czi_Airyscan.czi", None, "LSM 880, AxioObserver"),
        ("czi_WellD6-7_S2.czi", 0, "Celldiscoverer 7"),
        ("czi_DAPI_GFP.czi", None, None),
        ("lif_2channel_xz.lif", 0, "Leica TCS SP8"),
    ],
)
def test_the_microscope_is_told(
    reader: Reader, vendor_data: Path, name: str, series: int | None, microscope: str | None
) -> None:
    assert reader.open(vendor_data / name, series=series).header.microscope == microscope
