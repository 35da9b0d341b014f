"""Conformance of the API to its OpenAPI document: schemathesis with all checks."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import TINY, run, upload
from tests.support.server_process import CLEARSCOPE, ServerProcess

ROOT = Path(__file__).parents[2]
ALL_PHASES = ("--phases", "examples,coverage,fuzzing,stateful")
REFUSING_CHECKS = ("negative_data_rejection", "missing_required_header")
REFUSALS = [400, 401, 403, 404, 405, 406, 411, 412, 413, 415, 422, 428]
SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """Server that accepts only small files, and many requests, because schemathesis sends many of both."""
    process = ServerProcess(
        tmp_path / "data",
        upload_limit_bytes="1000000",
        requests_per_minute="1000000",
        active_jobs_limit="1000000",
        webhook_secret=base64.b64encode(bytes(32)).decode(),
        webhook_allowed_networks="127.0.0.0/8",
    )
    process.start()
    yield process
    process.stop()


def create_key(server: ServerProcess) -> str:
    """Create a key with all scopes."""
    command = [CLEARSCOPE, "keys", "create", "fuzz", "--scope", "admin", "--data-dir", str(server.data_dir)]
    made = subprocess.run(command, check=True, capture_output=True, text=True)
    return made.stdout.strip()


def stock(server: ServerProcess, noisy_tiff: Path) -> dict[str, list[str]]:
    """Create one of everything on the server, and images that may be deleted; return their ids."""
    calibration = server.data_dir.with_name("calibration.tif")
    frames = np.random.default_rng(3).poisson(np.linspace(20, 200, 40), (3, 32, 40)).astype(np.uint16)
    tifffile.imwrite(calibration, frames, photometric="minisblack")
    with httpx.Client(base_url=server.url, timeout=60) as api:
        microscope = api.post("/v1/microscopes", json={"name": "known scope"}).json()["id"]
        images = [upload(api, noisy_tiff, microscope=microscope) for _ in range(12)]
        done = run(api, kind="denoise", image_ids=images[:1], budget=TINY)
        profile = api.get(f"/v1/images/{images[0]}").json()["origin"]["profile_id"]
        spec = {"kind": "denoise", "image_ids": images[:1]}
        cancelled = [api.post("/v1/jobs", json=spec).json()["id"] for _ in range(4)]

        def networks(method: str) -> list[str]:
            return [each["id"] for each in api.get("/v1/networks", params={"method": method}).json()]

        for job_id in cancelled:
            api.post(f"/v1/jobs/{job_id}/cancel").raise_for_status()
        return {
            "microscopes": [microscope],
            "profiles": [profile],
            "images": images,
            "calibrations": [
                upload(api, calibration, microscope=microscope, role="calibration") for _ in range(12)
            ],
            "ground_truths": [upload(api, noisy_tiff, microscope=microscope, role="ground_truth")],
            "jobs": [done["id"], *cancelled],
            # Any of these can be used as `network`; a distilled one cannot.
            "networks": networks("n2v") + networks("pn2v"),
            "teachers": networks("pn2v"),
            "distilled_networks": networks("distilled"),
            "noise_models": [each["id"] for each in api.get("/v1/noise-models").json()],
            "artifacts": [each["id"] for each in done["result"]["artifacts"]],
        }


def configuration(known: dict[str, list[str]], token: str | None) -> str:
    """Return schemathesis's configuration: half of all parameters name things that exist."""
    places = {
        "path.microscope": "microscopes",
        "path.profile": "profiles",
        "path.image_id": "images",
        "path.job_id": "jobs",
        "path.network_id": "networks",
        "path.noise_model_id": "noise_models",
        "path.artifact_id": "artifacts",
        "query.microscope": "microscopes",
        "query.profile": "profiles",
    }
    lines = [f"[dictionaries.{kind}]\nvalues = {json.dumps(ids)}" for kind, ids in known.items()]
    # tus asks for 412 where its header is missing.
    lines += [f"[checks.{check}]\nexpected-statuses = {REFUSALS}" for check in REFUSING_CHECKS]
    lines.append("[parameters]")
    lines += [f'"{place}" = {{ dictionary = "{kind}", probability = 0.5 }}' for place, kind in places.items()]
    if token is not None:
        lines.append(f'[auth.openapi."API key"]\nbearer = "{token}"')
    return "\n".join(lines)


def check_conformance(
    server: ServerProcess,
    known: dict[str, list[str]],
    folder: Path,
    *arguments: str,
    token: str | None = None,
) -> None:
    """Run all checks."""
    configured = folder / "schemathesis.toml"
    configured.write_text(configuration(known, token), encoding="utf-8")
    command = [
        *(SCHEMATHESIS, "--config-file", str(configured), "run", f"{server.url}/openapi.json"),
        *("--checks", "all", "--continue-on-failure"),
        *("--request-timeout", "60"),
        *arguments,
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "CLEARSCOPE_KNOWN_IDS": json.dumps(known),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.is_alive()


def test_the_api_conforms_to_its_schema(server: ServerProcess, noisy_tiff: Path, tmp_path: Path) -> None:
    known = stock(server, noisy_tiff)
    token = create_key(server)
    brief = ("--phases", "fuzzing", "--max-examples", "1", "--seed", "1", "--no-shrink")
    check_conformance(server, known, tmp_path, *brief, token=token)


@pytest.mark.slow
@pytest.mark.parametrize("with_key", [False, True])
def test_the_api_conforms_to_its_schema_in_a_long_run(
    server: ServerProcess, noisy_tiff: Path, tmp_path: Path, *, with_key: bool
) -> None:
    known = stock(server, noisy_tiff)
    token = create_key(server) if with_key else None
    check_conformance(server, known, tmp_path, *ALL_PHASES, "--max-time", "300", token=token)
