"""The clearscope command against a real server."""

import subprocess
from pathlib import Path

import httpx
import pytest
import tifffile

from tests.support.commands import clearscope
from tests.support.posted_jobs import wait_for
from tests.support.server_process import CLEARSCOPE, ServerProcess


def test_a_seed_that_jobs_refuse_is_refused_at_once(noisy_tiff: Path, tmp_path: Path) -> None:
    output = clearscope("denoise", noisy_tiff, tmp_path / "out.tif", "--seed", str(2**53), code=2)
    assert f"less than or equal to {2**53 - 1}" in output


def test_submit_registers_the_image_under_its_microscope(
    api: httpx.Client, server: ServerProcess, noisy_tiff: Path
) -> None:
    output = clearscope("submit", noisy_tiff, "--server", server.url, "--microscope", "Scope of the CLI")
    job_id = output.split()[1]
    job = api.get(f"/v1/jobs/{job_id}").json()
    image = api.get(f"/v1/images/{job['spec']['image_ids'][0]}").json()
    assert image["origin"]["microscope"] == "Scope of the CLI"
    assert image["filename"] == noisy_tiff.name
    api.post(f"/v1/jobs/{job_id}/cancel")


def test_submit_says_why_a_file_was_refused(server: ServerProcess, tmp_path: Path) -> None:
    path = tmp_path / "notes.tif"
    path.write_text("no image")
    output = clearscope("submit", path, "--server", server.url, code=1)
    assert output.startswith(f"Error: {path}: Image corrupt")
    assert "Traceback" not in output


def test_submit_says_what_to_do_when_no_server_answers(noisy_tiff: Path) -> None:
    """Run the installed command: an error that users can fix is one line, without a traceback."""
    command = [CLEARSCOPE, "submit", str(noisy_tiff), "--server", "http://127.0.0.1:9"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no response from http://127.0.0.1:9")
    assert "clearscope serve" in done.stderr
    assert done.stderr.count("\n") == 1


def test_serve_refuses_to_listen_to_everyone(tmp_path: Path) -> None:
    output = clearscope("serve", "--host", "0.0.0.0", "--data-dir", tmp_path / "data", code=1)  # noqa: S104  # it must be refused
    assert "loopback" in output
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"lease_s": "-1"}, "CLEARSCOPE_LEASE_S: Input should be greater than 0"),
        (
            {"lease_s": "9"},
            "CLEARSCOPE_SWEEP_INTERVAL_S may be at most a third of CLEARSCOPE_LEASE_S (9 s)",
        ),
        ({"heartbeat_s": "6"}, "CLEARSCOPE_HEARTBEAT_S may be at most a third of CLEARSCOPE_LEASE_S (15 s)"),
        ({"webhook_secret": "hush", "part_pixels": "many"}, "CLEARSCOPE_PART_PIXELS: Input should be"),
    ],
)
def test_an_invalid_setting_is_named(settings: dict[str, str], complaint: str, tmp_path: Path) -> None:
    output = clearscope("serve", "--data-dir", tmp_path / "data", code=1, **settings)
    assert output.startswith("Error: ")
    assert complaint in output
    assert "hush" not in output
    assert "Traceback" not in output
    assert not (tmp_path / "data").exists()


def submit_and_wait(server: ServerProcess, image: Path, output: Path) -> "subprocess.Popen[str]":
    arguments = ["submit", str(image), "--server", server.url, "--wait", "--output", str(output)]
    return subprocess.Popen(
        [CLEARSCOPE, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_submit_waits_through_a_killed_server_and_downloads(noisy_tiff: Path, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", lease_s="3", sweep_interval_s="1")
    server.start()
    try:
        with submit_and_wait(server, noisy_tiff, tmp_path) as submitting:
            jobs = f"{server.url}/v1/jobs"
            wait_for(
                lambda: any(job["progress"] >= 0.2 for job in httpx.get(jobs).json()), "a fifth is computed"
            )
            server.kill()
            server.start()
            output, _ = submitting.communicate()
        assert submitting.returncode == 0, output
        job = httpx.get(jobs).json()[0]
        assert max(stage["attempt"] for stage in job["stages"]) == 2
    finally:
        server.stop()
    denoised_yx = tifffile.imread(tmp_path / "noisy_denoised.tif")
    assert denoised_yx.shape == tifffile.imread(noisy_tiff).shape
