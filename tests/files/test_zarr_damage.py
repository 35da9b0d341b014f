"""OME-Zarr files that are broken, hostile or of a kind that is not read."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr.codecs
from numcodecs import Delta

from models_store.errors import (
    ClearScopeError,
    ImageCorruptError,
    ImageTooLargeError,
    ImageUnsupportedError,
)
from models_store.image_files.header import ImageLimits
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from tests.support.zarr_files import write_ome_zarr

PIXELS = np.random.default_rng(0).integers(90, 300, (4, 40, 48)).astype(np.uint16)
HUGE = 2**35
Changes = dict[str, Any]


def changed(folder: Path, changes: Changes, document: str = "0/zarr.json") -> Path:
    """Change members of a JSON document of a Zarr; `a.b` is member b of a."""
    path = folder / document
    content = json.loads(path.read_text())
    for member, value in changes.items():
        *above, last = member.split(".")
        inner = content
        for step in above:
            inner = inner[int(step) if step.isdigit() else step]
        inner[last] = value
    path.write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "a.zarr"
    return write_ome_zarr(path, PIXELS, "zyx", chunks=(1, 40, 48))


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sharded") / "a.zarr"
    return write_ome_zarr(path, PIXELS, "zyx", chunks=(1, 20, 24), shards=(2, 40, 48), compressors=[])


def copied(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "copy.zarr"))


GRID = "chunk_grid.configuration"
LIES: list[tuple[Changes, type[ClearScopeError], str]] = [
    ({"shape": [4, 2**14, 2**14]}, ImageCorruptError, "more than a file of"),
    ({"shape": [4, 40, -48]}, ImageCorruptError, "the metadata of the array are broken: shape.2"),
    ({"shape": [4, 40]}, ImageCorruptError, "chunk_shape is of 3 axes"),
    ({"shape": "x"}, ImageCorruptError, "shape"),
    ({f"{GRID}.chunk_shape": [HUGE, 40, 48]}, ImageTooLargeError, "chunks of one plane"),
    ({f"{GRID}.chunk_shape": [1, 40, 0]}, ImageCorruptError, "chunk_shape.2"),
    (
        {f"{GRID}.chunk_shape": [2, 40, 48]},
        ImageCorruptError,
        "decodes to 3840 bytes, expected 7680",
    ),
    ({"data_type": "uint32"}, ImageCorruptError, "decodes to 3840 bytes, expected 7680"),
    ({"fill_value": -1}, ImageCorruptError, "the fill value '-1' is no uint16"),
    ({"data_type": "complex64"}, ImageUnsupportedError, "type complex64"),
    ({"data_type": {"name": "struct"}}, ImageUnsupportedError, "type structured"),
    ({"codecs": [{"name": "bytes"}, {"name": "zfp"}]}, ImageUnsupportedError, "codec 'zfp'"),
    ({"codecs": [{"name": "vlen-utf8"}]}, ImageUnsupportedError, "codec 'vlen-utf8'"),
    ({"codecs": []}, ImageCorruptError, "codecs"),
    ({"chunk_grid.name": "rectangular"}, ImageUnsupportedError, "chunk grid 'rectangular'"),
    ({"chunk_key_encoding.name": "fancy"}, ImageUnsupportedError, "encoding of chunk keys 'fancy'"),
    ({"storage_transformers": ["x"]}, ImageUnsupportedError, "storage transformer 'x'"),
    ({"novelty": 1}, ImageUnsupportedError, "unknown extension 'novelty'"),
]


@pytest.mark.parametrize(("changes", "error", "told"), LIES, ids=lambda value: str(value)[:40])
def test_an_array_that_lies_or_is_unknown_is_refused(
    isolation: Isolation,
    plain: Path,
    tmp_path: Path,
    changes: Changes,
    error: type[ClearScopeError],
    told: str,
) -> None:
    path = changed(copied(plain, tmp_path), changes)
    with (
        isolation.reader(ReadingLimits(memory_bytes=2**30)) as reader,
        pytest.raises(error, match=re.escape(told)),
    ):
        reader.inspect(path)


SHARD = "codecs.0.configuration"
SHARD_LIES: list[tuple[Changes, type[ClearScopeError], str]] = [
    ({f"{SHARD}.chunk_shape": [1, 30, 24]}, ImageCorruptError, "cannot be divided into chunks"),
    ({f"{SHARD}.chunk_shape": [1, 1, 1]}, ImageCorruptError, "too short to hold its index"),
    ({f"{GRID}.chunk_shape": [HUGE, 40, 48]}, ImageTooLargeError, "a shard has"),
    ({f"{SHARD}.index_location": "start"}, ImageCorruptError, "the index of the shard"),
    ({f"{SHARD}.index_codecs": ["bytes", "zstd"]}, ImageUnsupportedError, "of the shards' index"),
    ({f"{SHARD}.codecs.0.name": "sharding_indexed"}, ImageUnsupportedError, "shards within shards"),
]


@pytest.mark.parametrize(("changes", "error", "told"), SHARD_LIES, ids=lambda value: str(value)[:40])
def test_shards_that_lie_are_refused(
    reader: Reader, sharded: Path, tmp_path: Path, changes: Changes, error: type[ClearScopeError], told: str
) -> None:
    path = changed(copied(sharded, tmp_path), changes)
    with pytest.raises(error, match=re.escape(told)):
        reader.inspect(path)


@pytest.mark.parametrize("entry", [(2**40, 960), (0, 2**40), (2**63, 2**63)])
def test_an_index_that_points_outside_of_its_shard_is_refused(
    reader: Reader, sharded: Path, tmp_path: Path, entry: tuple[int, int]
) -> None:
    path = changed(copied(sharded, tmp_path), {f"{SHARD}.index_codecs": [{"name": "bytes"}]})
    for shard in (path / "0" / "c").rglob("0"):
        if shard.is_file():
            index = np.array([entry] * 8, "<u8").tobytes()
            shard.write_bytes(shard.read_bytes()[: -8 * 16 - 4] + index)
    with pytest.raises(ImageCorruptError, match="is broken"):
        reader.inspect(path)


def _flipped(content: bytes, place: float) -> bytes:
    at = int(len(content) * place)
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


@pytest.mark.parametrize(
    "codecs",
    [[], [zarr.codecs.ZstdCodec()], [zarr.codecs.BloscCodec()]],
    ids=["uncompressed", "zstd", "Blosc"],
)
def test_a_flipped_byte_in_an_archive_is_refused(reader: Reader, tmp_path: Path, codecs: Any) -> None:
    path = write_ome_zarr(tmp_path / "a.ozx", PIXELS[:1], "zyx", chunks=(1, 40, 48), compressors=codecs)
    content = path.read_bytes()
    at = content.index(b"0/c/0/0/0") + 100
    path.write_bytes(_flipped(content, at / len(content)))
    with pytest.raises(ImageCorruptError, match="0/c/0/0/0"):
        reader.inspect(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95])
def test_a_cut_archive_is_refused(reader: Reader, tmp_path: Path, share: float) -> None:
    path = write_ome_zarr(tmp_path / "a.ozx", PIXELS, "zyx", chunks=(1, 40, 48))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ImageCorruptError, match="ZIP archive cannot be read"):
        reader.inspect(path)


def cut_chunk(folder: Path) -> None:
    chunk = folder / "0" / "c" / "2" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:100])


def lengthened_chunk(folder: Path) -> None:
    chunk = folder / "0" / "c" / "2" / "0" / "0"
    chunk.write_bytes(bytes(2**20))


def without_json(folder: Path) -> None:
    (folder / "0" / "zarr.json").write_text('{"shape": [')


def nested_json(folder: Path) -> None:
    (folder / "zarr.json").write_text("[" * 100_000)


def path_outside(folder: Path) -> None:
    changed(folder, {"attributes.ome.multiscales.0.datasets.0.path": "../../etc"}, "zarr.json")


@pytest.mark.parametrize(
    "damage", [cut_chunk, lengthened_chunk, without_json, nested_json, path_outside], ids=lambda f: f.__name__
)
def test_a_broken_folder_is_refused(
    reader: Reader, plain: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    path = copied(plain, tmp_path)
    damage(path)
    with pytest.raises(ImageCorruptError):
        np.stack([*reader.inspect(path)[0]])


def test_filters_and_colours_are_refused_by_name(reader: Reader, tmp_path: Path) -> None:
    path = write_ome_zarr(tmp_path / "a.zip", PIXELS, "zyx", zarr_format=2, filters=[Delta("<u2")])
    with pytest.raises(ImageUnsupportedError, match="filtered by 'delta'"):
        reader.inspect(path)


def test_limits_apply(reader: Reader, plain: Path) -> None:
    for limits in (ImageLimits(plane_px=400), ImageLimits(planes=3), ImageLimits(decoded_bytes=1000)):
        with pytest.raises(ImageTooLargeError):
            reader.open(plain, limits)


@pytest.mark.parametrize("stored_bytes", [16, 1000, 3840, 2**31])
def test_a_chunk_that_was_cut_shows_no_bytes_beyond_its_end(
    reader: Reader, tmp_path: Path, stored_bytes: int
) -> None:
    noise = np.random.default_rng(0).integers(0, 2**16, (1, 40, 48), np.uint16)  # Blosc stores it as it is
    path = write_ome_zarr(
        tmp_path / "a.zarr", noise, "zyx", chunks=(1, 40, 48), compressors=[zarr.codecs.BloscCodec()]
    )
    chunk = path / "0" / "c" / "0" / "0" / "0"
    content = chunk.read_bytes()[:2000]
    chunk.write_bytes(content[:12] + stored_bytes.to_bytes(4, "little") + content[16:])
    with pytest.raises(ImageCorruptError, match=r"bytes, but are 2000"):
        reader.inspect(path)
