"""The four paths of the documentation run as they are written."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect

from demo.server import free_port
from tests.support.browser import chromium, drop_files, visit
from tests.support.client_transports import connected
from tests.support.loopback_server import KeyedServer
from tests.support.page_commands import ROOT, SLOW, require_printed, script_of

MICROSCOPES = ("Spinning disc 2", "Light sheet 1")
JOB_MS = 120_000

# What a step of the portal's path asks for, in the order of its words. Whatever else is bold is on the page.
_STEP = re.compile(r"^\d+\. (.*(?:\n   .*)*)", re.MULTILINE)
_ACTION = re.compile(
    r"your key as \*\*(?P<fill>.+?)\*\*|[Pp]ress \*\*(?P<press>.+?)\*\*|Drop `(?P<drop>.+?)`|"
    r"Choose \*\*(?P<choose>.+?)\*\*|Wait for \*\*(?P<wait>.+?)\*\*|\*\*(?P<shown>.+?)\*\*"
)


@pytest.fixture(scope="module", autouse=True)
def _microscopes(keyed: KeyedServer) -> None:
    with connected(keyed.application, keyed.application.make_key("administrator", "admin")) as admin:
        for name in MICROSCOPES:
            admin.ensure_microscope(name)


@pytest.fixture
def folder(tmp_path: Path, noisy_tiff: Path) -> Path:
    """The folder in which the commands are typed, with the files that the pages name."""
    (tmp_path / "incoming").mkdir()
    for name in ("cells.tif", "incoming/cells.tif"):
        (tmp_path / name).write_bytes(noisy_tiff.read_bytes())
    rng = np.random.default_rng(4)
    photons_yx = np.outer(np.linspace(0, 80, 96), np.linspace(0.5, 1, 80))
    for name, light_yx in (("frames.tif", photons_yx), ("dark.tif", 0 * photons_yx)):
        stack_tyx = 100 + 2 * rng.poisson(light_yx, (20, 96, 80)) + rng.normal(0, 2, (20, 96, 80))
        tifffile.imwrite(tmp_path / name, np.rint(stack_tyx).astype(np.uint16), photometric="minisblack")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.fixture
def typed(folder: Path) -> "Typed":
    return Typed(folder)


class Typed:
    """Runs the commands of a page in a folder, with the address of a server and a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, script: str, url: str, key: str, **environment: str) -> str:
        """Run a script that stops at the first command that fails; return what it printed."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        own = {"CLEARSCOPE_SERVER": url, "CLEARSCOPE_API_KEY": key, "COLUMNS": "200", "PATH": programs}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, **own, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def test_the_biologists_commands(keyed: KeyedServer, typed: Typed) -> None:
    page = "paths/biologist.md"
    printed = typed.run(script_of(page), keyed.url, keyed.key)
    require_printed(page, printed)
    assert tifffile.imread(typed.folder / "results" / "cells_denoised.tif").shape == (96, 80)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_the_biologists_way_through_the_portal(keyed: KeyedServer, folder: Path, browser: Browser) -> None:
    steps = _STEP.findall((ROOT / "docs" / "paths" / "biologist.md").read_text("utf-8"))
    assert len(steps) >= 6
    with visit(browser, keyed.url) as page:
        page.goto("/")
        for step in steps:
            actions = list(_ACTION.finditer(step))
            assert actions, step
            for action in actions:
                act(page, str(action.lastgroup), str(action[str(action.lastgroup)]), keyed.key, folder)
        expect(page.locator("#stage")).to_be_visible()


def act(page: Page, action: str, what: str, key: str, folder: Path) -> None:
    """Do what a step says."""
    match action:
        case "fill":
            page.get_by_label(what).fill(key)
        case "press":
            page.get_by_role("button", name=what).click()
        case "drop":
            expect(page.locator("html[data-ready]")).to_be_attached()
            drop_files(page, [folder / what], "#drop")
            expect(page.locator("li.upload", has_text=what)).to_have_attribute("data-state", "finished")
        case "choose":
            page.get_by_label(what).check()
        case "wait":
            expect(page.get_by_text(what, exact=True)).to_be_visible(timeout=JOB_MS)
        case _:
            expect(page.get_by_text(what, exact=True).first).to_be_visible()


@pytest.mark.slow
def test_the_facilitys_path(keyed: KeyedServer, typed: Typed) -> None:
    page = "paths/facility.md"
    key = keyed.application.make_key("facility", "read", "submit", "calibrate")
    printed = typed.run(script_of(page), keyed.url, key)
    require_printed(page, printed)
    assert "temporal dark noise" in printed
    assert "Light sheet 1" in (typed.folder / "camera-report.html").read_text("utf-8")


@pytest.mark.slow
def test_the_programmers_path(keyed: KeyedServer, typed: Typed) -> None:
    page = "paths/acquisition.md"
    printed = typed.run(script_of(page), keyed.url, keyed.key)
    require_printed(page, printed)
    for result in ("denoised/cells.tif", "results/cells_denoised.tif"):
        assert tifffile.imread(typed.folder / result).shape == (96, 80), result
    assert (typed.folder / "spool" / "delivered.jsonl").read_text("utf-8").count("\n") == 3


@pytest.mark.slow
def test_the_operators_path(typed: Typed) -> None:
    page, port = "paths/operator.md", free_port()
    data = typed.folder / "data"
    script = script_of(page, places={"/srv/clearscope": str(data)})
    printed = typed.run(script, f"http://127.0.0.1:{port}", "", CLEARSCOPE_PORT=str(port))
    require_printed(page, printed)
    assert "Ada" in printed
    with tarfile.open(typed.folder / "clearscope-backup.tar.gz") as backup:
        kept = {Path(name).relative_to(".").as_posix() for name in backup.getnames()}
    assert {path.name for path in data.iterdir()} <= kept


@pytest.mark.slow
@pytest.mark.parametrize("page", ["paths/facility.md", "paths/acquisition.md"])
def test_what_takes_minutes(page: str, keyed: KeyedServer, typed: Typed) -> None:
    key = keyed.application.make_key(f"everything of {page}", "admin")
    assert typed.run(script_of(page, note=SLOW), keyed.url, key)
