"""The script that needs curl and jq alone."""

import os
import subprocess
from pathlib import Path

import tifffile

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
