"""The script that needs curl and jq alone."""

import os
import subprocess
from pathlib import Path
from shutil import which

import pytest
import tifffile

from app.job_streams import hub
from tests.support.client_transports import connected
from tests.support.loopback_server import KeyedServer

SCRIPT = Path(__file__).parents[2] / "examples" / "post_with_curl.sh"


def post(
    keyed: KeyedServer, image: Path, output: Path, key: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CLEARSCOPE_SERVER": keyed.url, "CLEARSCOPE_API_KEY": key, **settings}
    command = ["sh", str(SCRIPT), str(image), str(output), keyed.microscope]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_image_is_denoised(keyed: KeyedServer, noisy_tiff: Path, tmp_path: Path) -> None:
    image = tmp_path / "cells, day 1.tif"
    image.write_bytes(noisy_tiff.read_bytes())
    done = post(keyed, image, tmp_path / "results", keyed.key)
    assert done.returncode == 0, done.stderr
    saved = {path.name for path in (tmp_path / "results").iterdir()}
    assert {"cells, day 1_denoised.tif", "trust-report.json"} <= saved
    assert not [name for name in saved if name.endswith(".part")]
    assert tifffile.imread(tmp_path / "results" / "cells, day 1_denoised.tif").shape == (96, 80)
    assert done.stdout.splitlines()[-1].startswith(("trust: ", "check: ", "do_not_trust: "))
    assert "succeeded 100 %" in done.stderr
    with connected(keyed.application, keyed.key) as client:
        (job,) = client.jobs()
        (image_id,) = job.spec["image_ids"]
        origin = client.image(image_id).origin
    assert origin is not None
    assert origin.microscope == keyed.microscope


@pytest.mark.parametrize("can_wait", [True, False])
def test_it_pauses_only_where_the_server_cannot_wait(
    keyed: KeyedServer, noisy_tiff: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, can_wait: bool
) -> None:
    if not can_wait:
        monkeypatch.setattr(hub, "MAX_LISTENERS", 0)
    pauses, sleep = tmp_path / "pauses", tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    sleep.write_text(f'#!/bin/sh\necho "$1" >> "{pauses}"\nexec "{which("sleep")}" 0.2\n')
    sleep.chmod(0o755)
    path = f"{sleep.parent}{os.pathsep}{os.environ['PATH']}"
    done = post(keyed, noisy_tiff, tmp_path / "results", keyed.key, PATH=path)
    assert done.returncode == 0, done.stderr
    assert pauses.exists() is not can_wait


def test_refusals_are_told(keyed: KeyedServer, noisy_tiff: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.tif").write_text("no image")
    for image, key, preset, told in (
        (noisy_tiff, keyed.reading_key, "instant", "Forbidden: this needs an API key with the scope submit"),
        (noisy_tiff, "cs_wrong", "instant", "Unauthenticated: "),
        (tmp_path / "notes.tif", keyed.key, "instant", "Image corrupt: "),
        (noisy_tiff, keyed.key, "quick", "preset"),
    ):
        refused = post(keyed, image, tmp_path / "results", key, CLEARSCOPE_PRESET=preset)
        assert refused.returncode == 1
        assert told in refused.stderr
    assert not (tmp_path / "results").exists()
