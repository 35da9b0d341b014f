"""`clearscope watch` against a real server."""

import re
import shlex
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.support.commands import clearscope
from tests.support.server_process import CLEARSCOPE, ServerProcess

WATCH = ("--microscope", "Spinning disc 2", "--preset", "instant", "--settle", "0", "--poll", "0.1")
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.fixture
def incoming(tmp_path: Path, noisy_tiff: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    (folder / "cells.tif").write_bytes(noisy_tiff.read_bytes())
    return folder


def test_the_command_of_the_readme_denoises_what_is_in_a_folder(
    server: ServerProcess, incoming: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (incoming / "broken.tif").write_text("no image")
    (incoming / "red \x1b[31m.tif").write_text("no image either")
    output = tmp_path / "denoised"
    monkeypatch.chdir(tmp_path)
    (typed,) = re.findall(r"^    clearscope (watch .*)$", README, re.MULTILINE)
    at_once = ("--settle", "0", "--poll", "0.1", "--once")
    printed = clearscope(*shlex.split(typed), "--done", "move", *at_once, server=server.url)
    assert "cells.tif: denoised; " in printed
    denoised_yx = tifffile.imread(output / "cells.tif")
    assert denoised_yx.shape == (96, 80)
    assert np.isfinite(denoised_yx).all()
    assert (output / "cells_posterior_std.tif").is_file()
    assert (output / "cells.tif.trust-report.json").is_file()
    assert "Image corrupt: " in (output / "broken.tif.error.txt").read_text("utf-8")
    assert {path.name for path in incoming.iterdir()} == {"broken.tif", "red \x1b[31m.tif", "done"}
    assert r"red \x1b[31m.tif: " in printed
    assert "\x1b" not in printed, "names command no terminal"


def test_results_do_not_go_among_the_sources(incoming: Path) -> None:
    refused = clearscope("watch", incoming, "--output", incoming, *WATCH, code=1)
    assert f"use {incoming / 'denoised'}" in refused


def test_the_inside_of_an_image_is_not_watched(incoming: Path, tmp_path: Path) -> None:
    (incoming / "zarr.json").write_text("{}")
    refused = clearscope("watch", incoming, "--output", tmp_path / "denoised", *WATCH, code=1)
    assert f"{incoming} is one Zarr image itself; watch the folder that it lies in" in refused


def test_nothing_is_there_to_be_dealt_with_once_in_a_folder_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "incoming"
    refused = clearscope("watch", missing, "--output", missing / "denoised", "--once", *WATCH, code=1)
    assert f"there is no folder {missing}" in refused
    assert not missing.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="there are no signals")
def test_watch_waits_for_a_server_and_ends_cleanly_on_ctrl_c(incoming: Path, tmp_path: Path) -> None:
    options = ["--output", str(tmp_path / "denoised"), "--server", "http://127.0.0.1:9", *WATCH]
    with subprocess.Popen(
        [CLEARSCOPE, "watch", str(incoming), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as watching:
        assert watching.stdout is not None
        first = watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        rest = watching.stdout.read()
    assert first.startswith("no response from http://127.0.0.1:9")
    assert first.endswith("; waiting for it\n")
    assert rest == "stopped; jobs at the server go on, and their results come at the next start\n"
    assert watching.returncode == 0
