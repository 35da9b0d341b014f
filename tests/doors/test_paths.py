"""The commands of README's four paths, as they are typed."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.client_transports import connected
from tests.support.commands import clearscope
from tests.support.loopback_server import KeyedServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
(PATHS,) = re.findall(r"^## Four paths$(.*?)^## ", README, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(typed) for typed in re.findall(r"`((?:clearscope|examples/)[^`]+ [^`]+)`", PATHS)]
ELSEWHERE = {"serve", "calibrate"}
"""Commands that tests of their own run, with servers and calibrations of their own."""


@pytest.fixture
def images(keyed: KeyedServer, tmp_path: Path, noisy_tiff: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the commands are typed."""
    with connected(keyed.application, keyed.application.make_key("path", "admin")) as admin:
        admin.ensure_microscope("Spinning disc 2")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cells.tif").write_bytes(noisy_tiff.read_bytes())
    return tmp_path


def test_all_commands_run(keyed: KeyedServer, images: Path) -> None:
    ran = []
    for program, *arguments in COMMANDS:
        if program == "clearscope" and arguments[0] not in ELSEWHERE:
            data_dir = str(images / "data")
            ran.append(clearscope(*arguments, server=keyed.url, api_key=keyed.key, data_dir=data_dir))
        elif program != "clearscope":
            environment = {**os.environ, "CLEARSCOPE_SERVER": keyed.url, "CLEARSCOPE_API_KEY": keyed.key}
            subprocess.run(["sh", ROOT / program, *arguments], env=environment, check=True)
            ran.append(program)
    assert len(ran) == 3
    assert (images / "results" / "cells_denoised.tif").is_file()
    assert any(re.search(r"^cs_\w+", printed, re.MULTILINE) for printed in ran)


def test_links_lead_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    doors = (ROOT / "docs" / "doors.md").read_text("utf-8")
    linked = {(ROOT, link) for link in re.findall(r"\]\(([^)]+)\)", PATHS)}
    linked |= {(ROOT / "docs", link) for link in re.findall(r"\]\(([^)]+)\)", doors)}
    for folder, link in linked:
        path, _, anchor = link.partition("#")
        assert not path or (folder / path).exists(), link
        assert not anchor or anchor in headings, link
    for test in re.findall(r"`([a-z_]+/(?:test_\w+\.py)?)`", doors):
        assert (ROOT / "tests" / test).exists(), test
