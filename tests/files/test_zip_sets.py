"""Sets of files in ZIP archives."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from models_store.errors import (
    ClearScopeError,
    ImageContentError,
    ImageCorruptError,
    ImageUnsupportedError,
)
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.sets.zip_archive import ZipFiles


def archive(contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as packed:
        for name, content in contents.items():
            packed.writestr(name, content)
    return stream


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_files_of_an_archive_are_read_at_any_place(compression: int) -> None:
    content = bytes(range(256)) * 100
    files = ZipFiles(archive({"a/b.bin": content, "c": b""}, compression))
    assert set(files.names) == {"a/b.bin", "c"}
    assert files.size_bytes("a/b.bin") == len(content)
    with files.open("a/b.bin") as stream:
        stream.seek(20_000)
        assert stream.read(300) == content[20_000:20_300]


def test_what_file_managers_add_is_left_out() -> None:
    files = ZipFiles(archive({"x/0": b"1", "__MACOSX/x/._0": b"2", "x/.DS_Store": b"3", "x/": b""}))
    assert set(files.names) == {"x/0"}


def test_of_two_files_of_one_name_the_last_counts() -> None:
    stream = archive({"a": b"first"})
    with zipfile.ZipFile(stream, "a") as packed, pytest.warns(UserWarning, match="Duplicate name"):
        packed.writestr("a", b"second")
    with ZipFiles(stream).open("a") as file:
        assert file.read() == b"second"


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_a_name_outside_of_the_archive_is_refused(name: str) -> None:
    with pytest.raises(ImageCorruptError, match="outside of itself"):
        ZipFiles(archive({name: b"1"}))


def test_a_name_with_backslashes_is_refused_by_what_it_is() -> None:
    with pytest.raises(ImageCorruptError, match=r"separates the folders of .* by \\"):
        ZipFiles(archive({"a\\b": b"1"}))


def test_an_uncommon_compression_is_refused_with_a_remedy() -> None:
    with pytest.raises(ImageUnsupportedError, match="pack it with Deflate"):
        ZipFiles(archive({"a": b"1"}, zipfile.ZIP_LZMA))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_cut_archive_is_refused(share: float) -> None:
    content = archive({"a": b"1" * 1000}).getvalue()
    with pytest.raises(ClearScopeError, match="if it was cut, copy it again"):
        ZipFiles(io.BytesIO(content[: int(len(content) * share)]))


def test_an_archive_without_an_image_set_is_refused_with_what_it_holds(
    reader: Reader, tmp_path: Path
) -> None:
    path = tmp_path / "cells.zip"
    path.write_bytes(archive({f"{name}.txt": b"1" for name in "gfedcba"}).getvalue())
    listed = "holds 'a.txt', 'b.txt', 'c.txt', 'd.txt', 'e.txt' and 2 more"
    with pytest.raises(ImageUnsupportedError, match=f"no image set; it {re.escape(listed)}"):
        reader.inspect(path)


def test_an_empty_archive_is_refused(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "cells.zip"
    path.write_bytes(archive({}).getvalue())
    with pytest.raises(ImageContentError, match="holds no files"):
        reader.inspect(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_places_of_a_large_file_are_read_in_any_order(compression: int) -> None:
    numbers = np.arange(5 * 2**20, dtype=np.uint32) >> 8
    files = ZipFiles(archive({"other": b"1", "large": numbers.tobytes()}, compression))
    places = np.random.default_rng(0).integers(0, len(numbers) - 1000, 8)
    with files.open("large") as stream:
        for place in places.tolist():
            stream.seek(4 * place)
            read = np.frombuffer(stream.read(4000), np.uint32)
            np.testing.assert_array_equal(read, numbers[place : place + 1000])
        stream.seek(-4, io.SEEK_END)
        assert np.frombuffer(stream.read(), np.uint32) == numbers[-1]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_file_of_an_archive_is_told(compression: int) -> None:
    content = np.random.default_rng(0).integers(0, 50, 10_000, np.uint8).tobytes()
    damaged = bytearray(archive({"a": content}, compression).getvalue())
    damaged[3000] ^= 1
    with ZipFiles(io.BytesIO(damaged)).open("a") as stream, pytest.raises(ImageCorruptError, match="damaged"):
        stream.read()


def test_damage_before_a_place_of_a_compressed_file_is_told() -> None:
    content = np.random.default_rng(0).integers(0, 50, 10_000, np.uint8).tobytes()
    damaged = bytearray(archive({"a": content}, zipfile.ZIP_DEFLATED).getvalue())
    damaged[3000] ^= 1
    with ZipFiles(io.BytesIO(damaged)).open("a") as stream:
        for place in (9_000, 9_100, 10):
            stream.seek(place)
            with pytest.raises(ImageCorruptError, match="damaged"):
                stream.read(10)
