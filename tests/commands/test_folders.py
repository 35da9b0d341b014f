"""Commands with folders of image sets."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from app.commands.server_client import source_of
from models_store.errors import ImageCorruptError
from models_store.image_files.sets.zip_archive import ZipFiles
from tests.support.commands import clearscope

NO_SET = "this is a folder that holds no image set"


def test_denoise_names_a_folder_that_is_no_set(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("1")
    printed = clearscope("denoise", folder, tmp_path / "out.tif", "--device", "cpu", code=1)
    assert NO_SET in printed
    assert "'a.txt'" in printed
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("name", ["out.tif", "set.ome.zarr", "below/out.tif"])
def test_a_result_within_the_folder_of_its_set_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    (tmp_path / "below").mkdir()
    printed = clearscope("denoise", tmp_path, tmp_path / name, "--device", "cpu", code=1)
    assert "write the result beside it" in printed
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["out.czi", "out.zip", "out.PNG"])
def test_a_suffix_of_a_format_that_is_not_written_is_refused(tmp_path: Path, name: str) -> None:
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, np.arange(1024, dtype=np.uint16).reshape(32, 32))
    printed = clearscope("denoise", source, tmp_path / name, "--device", "cpu", code=1)
    assert f"results are not written as .{name.partition('.')[2]}" in printed


def test_submit_refuses_a_folder_that_is_no_set_before_it_sends_anything(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    printed = clearscope("submit", tmp_path, "--server", "http://127.0.0.1:9", code=1)
    assert NO_SET in printed
    assert str(tmp_path) in printed


def test_a_folder_is_packed_while_it_is_sent(tmp_path: Path) -> None:
    contents = {"zarr.json": b"{}", "0/c/0": bytes(range(256)) * 20_000, "0/c/ü": b"", "0/c/Thumbs.db": b"x"}
    for name, content in contents.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with source_of(tmp_path) as source:
        parts = list(source.chunks())
        assert max(map(len, parts)) < 1.1 * 1024**2
        assert b"".join(source.chunks()) == b"".join(parts)
    unpacked = ZipFiles(io.BytesIO(b"".join(parts)))
    del contents["0/c/Thumbs.db"]
    assert set(unpacked.names) == set(contents)
    assert {name: unpacked.open(name).read() for name in contents} == contents
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None


def test_a_file_that_has_gone_while_it_is_sent_is_named(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_bytes(b"{}")
    with source_of(tmp_path) as source:
        (tmp_path / "zarr.json").unlink()
        with pytest.raises(ImageCorruptError, match=r"zarr\.json"):
            list(source.chunks())
