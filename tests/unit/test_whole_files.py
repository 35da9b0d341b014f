"""Files that appear whole or not at all, wherever a command writes one."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import httpx2
import numpy as np
import pytest
from matplotlib.figure import Figure

from clearscope_client import Artifact, ClearScope
from clearscope_client.errors import FileUnwritableError
from models_store.errors import InvalidRequestError
from models_store.whole_files import appearing_whole, require_writable_folder
from tests.support.commands import clearscope
from worker.engine.scores.metrics import Summary
from worker.offline.report import DenoisedPlane, draw_report, write_report
from worker.reproduction.panels import draw_ablations
from worker.reproduction.result_tables import Cell, Table, write_tables

PLANE = DenoisedPlane(np.eye(32), np.eye(32))
TABLE = Table("Table 1", ("A",), {"N2V": {"A": Cell(Summary.of([30.0, 31.0]))}})

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")


@pytest.fixture
def _full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a file still has room."""

    def write_half(path: Path, content: bytes | str, **_: object) -> None:
        os.truncate(path, 0) if path.exists() else path.touch()
        with path.open("ab") as file:
            file.write((content.encode() if isinstance(content, str) else content)[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    monkeypatch.setattr(Path, "write_text", write_half)
    monkeypatch.setattr(
        Figure, "savefig", lambda _figure, path, **_: write_half(Path(path), b"half a picture")
    )


def _report(folder: Path) -> None:
    write_report(folder, PLANE, None, {"a": 1})


def _picture(folder: Path) -> None:
    draw_report(folder / "report.png", PLANE, None)


def _ablations(folder: Path) -> None:
    draw_ablations(folder / "fig3.png", [TABLE])


def _tables(folder: Path) -> None:
    write_tables(folder, "table1", [TABLE])


@pytest.mark.usefixtures("_full_disk")
@pytest.mark.parametrize("write", [_report, _picture, _ablations, _tables])
def test_a_file_without_room_is_named_and_the_one_before_stays_whole(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    before = dict.fromkeys(("report.png", "report.json", "fig3.png", "table1.md"), b"of an earlier run")
    for name, content in before.items():
        with (tmp_path / name).open("wb") as file:
            file.write(content)
    with pytest.raises(InvalidRequestError, match=f"{tmp_path}.* cannot be written: No space left"):
        write(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_download_without_room_leaves_nothing(tmp_path: Path) -> None:
    def half() -> Mock:
        raise OSError(errno.ENOSPC, "No space left on device")

    answer = httpx2.Response(200, content=(half() for _ in range(1)))
    artifact = Artifact(
        id="art_1",
        name="result.tif",
        media_type="image/tiff",
        image_id=None,
        output=None,
        sha256="",
        size=1,
        href="/v1/file",
    )
    with (
        ClearScope("http://nowhere", transport=httpx2.MockTransport(lambda _: answer)) as client,
        pytest.raises(FileUnwritableError, match=r"result\.tif cannot be written: No space left"),
    ):
        client.save(artifact, tmp_path / "result.tif")
    assert not list(tmp_path.iterdir())


def test_what_fails_leaves_the_file_before_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "network.safetensors"
    path.write_bytes(b"before")

    def fail() -> None:
        with appearing_whole(path) as unfinished:
            unfinished.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"before"]


def test_a_folder_of_results_is_checked_and_not_made(tmp_path: Path) -> None:
    require_writable_folder(tmp_path / "to/be/made")
    require_writable_folder(tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(InvalidRequestError, match="is a file"):
            require_writable_folder(folder)


def test_a_folder_that_cannot_be_looked_up_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="File name too long"):
        require_writable_folder(tmp_path / ("a" * 300))


@on_linux
def test_submit_checks_the_folder_before_it_uploads(noisy_tiff: Path) -> None:
    command = ("submit", noisy_tiff, "--server", "http://127.0.0.1:9", "--wait", "--output", "/proc/results")
    assert "cannot write files in /proc" in clearscope(*command, code=1)


@on_linux
def test_a_server_names_the_folder_in_which_it_cannot_write() -> None:
    assert "cannot write files in /proc" in clearscope("serve", "--data-dir", "/proc/data", code=1)


@on_linux
def test_reproduce_checks_the_folder_before_it_computes() -> None:
    command = ("reproduce", "table1", "--data", "simulated", "--output", "/proc/results", "--device", "cpu")
    assert "cannot write files in /proc" in clearscope(*command, code=1)
