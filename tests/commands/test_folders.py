"""Commands with folders of image sets."""

import io
import zipfile
from pathlib import Path

import pytest

from app.commands.packed_folder import packed
from models_store.errors import ImageCorruptError
from models_store.image_files.sets.folder import FolderFiles
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
    with FolderFiles(tmp_path) as files:
        parts = list(packed(files))
        assert max(map(len, parts)) < 1.1 * 1024**2
        assert b"".join(packed(files)) == b"".join(parts)
    unpacked = ZipFiles(io.BytesIO(b"".join(parts)))
    del contents["0/c/Thumbs.db"]
    assert set(unpacked.names) == set(contents)
    assert {name: unpacked.open(name).read() for name in contents} == contents
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None


def test_a_file_that_has_gone_while_it_is_sent_is_named(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_bytes(b"{}")
    with FolderFiles(tmp_path) as files:
        (tmp_path / "zarr.json").unlink()
        with pytest.raises(ImageCorruptError, match=r"zarr\.json"):
            list(packed(files))
