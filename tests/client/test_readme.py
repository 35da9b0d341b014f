"""The programs in the client's README run as they are written."""

import re
from pathlib import Path
from typing import Any

import pytest
import tifffile

import clearscope_client
from clearscope_client import AsyncClearScope, ClearScope
from tests.support.application import Application
from tests.support.client_transports import InProcess

README = (Path(clearscope_client.__file__).parents[1] / "README.md").read_text("utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def _at_the_address(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients find the application at the address that the programs name."""

    def put_in_place(kind: type[ClearScope | AsyncClearScope]) -> None:
        def at_the_address(url: str, key: str | None = None, **options: Any) -> ClearScope | AsyncClearScope:
            # The application answers for this name alone.
            known = url.replace("127.0.0.1:8000", "localhost")
            return kind(known, key, transport=InProcess(application), **options)

        monkeypatch.setattr(clearscope_client, kind.__name__, at_the_address)

    put_in_place(ClearScope)
    put_in_place(AsyncClearScope)


@pytest.mark.usefixtures("_at_the_address")
def test_the_programs_run(
    application: Application,
    tmp_path: Path,
    noisy_tiff: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for path in (Path("cells.tif"), Path("incoming", "cells.tif")):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(noisy_tiff.read_bytes())
    assert len(PROGRAMS) == 4
    at_once, few, later, watching = PROGRAMS
    with application.worker():
        exec(at_once, {})  # noqa: S102  # a program of our own
        exec(watching.replace("settle_s=5.0", "settle_s=0, poll_s=0.1"), {})  # noqa: S102  # as above
    for program in (few, later):
        exec(program, {})  # noqa: S102  # as above
    printed = capsys.readouterr().out
    assert "cells_denoised.tif" in printed
    assert "(3, 48, 64)" in printed
    assert "NoiseModel(" in printed
    assert Path("spool/delivered.jsonl").read_text("utf-8").count("\n") == 3
    assert tifffile.imread("results/cells_denoised.tif").shape == (96, 80)
    assert tifffile.imread("denoised/cells.tif").shape == (96, 80)
