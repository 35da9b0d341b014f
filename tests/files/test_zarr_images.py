"""OME-Zarr images, written with zarr-python: planes by any layout, type and codec, in any order."""

from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import zarr.codecs
from numcodecs import BZ2, LZ4, Blosc, GZip, Zlib, Zstd
from numpy.typing import NDArray

from models_store.image_files.isolation.reader import Reader
from tests.support.zarr_files import write_ome_zarr

LENGTHS = {"t": 3, "c": 2, "z": 3, "y": 37, "x": 45}
SUBSETS = ["yx", "zyx", "cyx", "tyx", "tzyx", "tcyx", "czyx", "tczyx", "ctzyx", "tzcyx"]
TYPES = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64"]


def noise(axes: str, dtype: str = "uint16") -> NDArray[Any]:
    shape = [LENGTHS[axis] for axis in axes]
    return np.random.default_rng(1).integers(1, 120, shape).astype(dtype)


def planes_of(pixels: NDArray[Any]) -> NDArray[Any]:
    return pixels.reshape(-1, *pixels.shape[-2:])


def assert_reads(reader: Reader, path: Path, pixels: NDArray[Any]) -> None:
    """Assert that the planes are those of the pixels, by a random order of access too."""
    planes, expected = reader.open(path), planes_of(pixels)
    assert (planes.header.shape, planes.header.dtype) == (pixels.shape, pixels.dtype.name)
    assert planes.header.warnings == ()
    np.testing.assert_array_equal(np.stack([*planes]), expected)
    for plane in np.random.default_rng(2).permutation(len(expected)):
        np.testing.assert_array_equal(planes[int(plane)], expected[plane])


@pytest.mark.parametrize(("axes", "zarr_format"), [*zip(SUBSETS, cycle([3, 2]), strict=False)])
def test_all_axes_are_read_in_the_order_of_the_array(
    reader: Reader, tmp_path: Path, axes: str, zarr_format: int
) -> None:
    pixels = noise(axes)
    chunks = (1,) * (len(axes) - 2) + (16, 32)
    path = write_ome_zarr(tmp_path / "a.zip", pixels, axes, zarr_format=zarr_format, chunks=chunks)
    assert_reads(reader, path, pixels)
    header = reader.open(path).header
    assert (header.axes, header.file_kind) == (axes.upper(), "ome-zarr")


@pytest.mark.parametrize(("dtype", "order"), [*zip([*TYPES, *FLOATS], cycle("<>"), strict=False)])
def test_numbers_of_all_types_and_byte_orders_are_read(
    reader: Reader, tmp_path: Path, dtype: str, order: Literal["<", ">"]
) -> None:
    pixels = noise("cyx", dtype)
    serializer = zarr.codecs.BytesCodec(endian="big")
    path = write_ome_zarr(tmp_path / "3.zip", pixels, "cyx", chunks=(1, 37, 45), serializer=serializer)
    assert_reads(reader, path, pixels)
    path = write_ome_zarr(
        tmp_path / "2.zip",
        pixels.astype(pixels.dtype.newbyteorder(order)),
        "cyx",
        zarr_format=2,
        chunks=(1, 37, 45),
    )
    assert_reads(reader, path, pixels)


CODECS_2 = [
    None,
    *(Blosc(*of) for of in (("lz4", 5, 0), ("zstd", 5, 1), ("zlib", 5, 2), ("blosclz", 5, 1))),
    *(Zstd(), GZip(), Zlib(), LZ4(), BZ2()),
]
CODECS_3: list[Any] = [
    [],
    [zarr.codecs.BloscCodec(cname="lz4", shuffle="bitshuffle")],
    [zarr.codecs.ZstdCodec(checksum=True)],
    [zarr.codecs.GzipCodec()],
    [zarr.codecs.Crc32cCodec()],
    [zarr.codecs.ZstdCodec(), zarr.codecs.GzipCodec(), zarr.codecs.Crc32cCodec()],
]


def test_codecs_of_version_2_are_decoded(reader: Reader, tmp_path: Path) -> None:
    pixels = noise("zyx")
    for codec in CODECS_2:
        options: dict[str, Any] = {"zarr_format": 2, "chunks": (2, 20, 45), "compressors": codec}
        assert_reads(reader, write_ome_zarr(tmp_path / "a.zip", pixels, "zyx", **options), pixels)


def test_codecs_of_version_3_are_decoded(reader: Reader, tmp_path: Path) -> None:
    pixels = noise("zyx")
    for codecs in CODECS_3:
        options: dict[str, Any] = {"chunks": (2, 20, 45), "compressors": codecs}
        assert_reads(reader, write_ome_zarr(tmp_path / "a.zip", pixels, "zyx", **options), pixels)


@pytest.mark.parametrize("separator", [".", "/"])
@pytest.mark.parametrize(("zarr_format", "name"), [(2, "v2"), (3, "v2"), (3, "default")])
def test_chunks_are_found_by_names_of_all_kinds(
    reader: Reader, tmp_path: Path, zarr_format: int, name: str, separator: str
) -> None:
    pixels = noise("czyx")
    path = write_ome_zarr(
        tmp_path / "a.zip",
        pixels,
        "czyx",
        zarr_format=zarr_format,
        array="scale0/image",
        chunks=(1, 1, 37, 45),
        chunk_key_encoding={"name": name, "separator": separator},
    )
    assert_reads(reader, path, pixels)


@pytest.mark.parametrize("chunks", [(1, 1, 37, 45), (3, 1, 20, 45), (2, 2, 16, 16), (9, 9, 64, 64)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_chunks_of_any_size_are_put_together(
    reader: Reader, tmp_path: Path, chunks: tuple[int, ...], order: str
) -> None:
    pixels = noise("tcyx")
    path = write_ome_zarr(tmp_path / "2.zip", pixels, "tcyx", zarr_format=2, chunks=chunks, order=order)
    assert_reads(reader, path, pixels)
    filters = [zarr.codecs.TransposeCodec(order=(3, 0, 2, 1))] if order == "F" else []
    path = write_ome_zarr(tmp_path / "3.zip", pixels, "tcyx", chunks=chunks, filters=filters)
    assert_reads(reader, path, pixels)


@pytest.mark.parametrize("location", ["start", "end"])
@pytest.mark.parametrize(
    ("shards", "chunks"), [((3, 2, 40, 48), (1, 1, 20, 16)), ((2, 1, 64, 64), (2, 1, 8, 64))]
)
def test_shards_are_read_chunk_by_chunk(
    reader: Reader, tmp_path: Path, location: str, shards: tuple[int, ...], chunks: tuple[int, ...]
) -> None:
    pixels = noise("tcyx")
    options: dict[str, Any] = {"shards": {"shape": shards, "index_location": location}, "chunks": chunks}
    assert_reads(reader, write_ome_zarr(tmp_path / "a.zip", pixels, "tcyx", **options), pixels)
