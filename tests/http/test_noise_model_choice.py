"""The noise model that an image gets: of its profile, else of the nearest one; now, or at a named time."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tifffile

from tests.support.posted_jobs import run
from tests.support.published_files import npz
from worker.engine.simulation import simulate_specimen

_OFFSET_ADU, _GAIN_ADU, _READ_NOISE_ADU = 100.0, 2.0, 3.0
_CAMERA = {"camera": "ORCA", "camera_serial": "7", "readout_mode": "slow", "gain": 2, "region_height_px": 256}

Document = dict[str, Any]


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of the detector with a gain of 2 ADU, and about 100 photons."""
    rng = np.random.default_rng(5)
    photons_yx = 10 + 200 * simulate_specimen((256, 256), seed=6)
    noisy_yx = _OFFSET_ADU + _GAIN_ADU * rng.poisson(photons_yx)
    noisy_yx = noisy_yx + rng.normal(0, _READ_NOISE_ADU, photons_yx.shape)
    path = tmp_path_factory.mktemp("choice") / "picture.tif"
    tifffile.imwrite(path, noisy_yx.round().clip(0).astype(np.uint16))
    return path


class Scope:
    """A microscope, its profiles, noise models and images."""

    def __init__(self, api: httpx.Client, name: str, picture: Path) -> None:
        self.api, self.name, self.picture = api, name, picture
        assert api.post("/v1/microscopes", json={"name": name}).status_code == 201

    def profile(self, name: str, **settings: Any) -> str:
        url = f"/v1/microscopes/{self.name}/profiles"
        posted = self.api.post(url, json={**_CAMERA, **settings, "name": name})
        assert posted.status_code == 201, posted.text
        return name

    def noise_model(self, profile: str, gain_adu: float = _GAIN_ADU) -> str:
        """Import and activate a noise model of a detector with this gain."""
        variances_adu2 = [_READ_NOISE_ADU**2, gain_adu * 600]
        content = npz(
            trained_weight=np.array([[0.0, 0.0], np.log(variances_adu2).tolist(), [0.0, 0.0]], np.float32),
            min_signal=np.array([_OFFSET_ADU]),
            max_signal=np.array([700.0]),
            min_sigma=np.array(1.0),
        )
        query = {"microscope": self.name, "profile": profile}
        answer = self.api.post("/v1/noise-models/import", params=query, content=content)
        assert answer.status_code == 201, answer.text
        made: str = answer.json()["id"]
        return made

    def image(self, **settings: Any) -> str:
        query = {
            "filename": "a.tif",
            "microscope": self.name,
            "settings": json.dumps({**_CAMERA, **settings}),
        }
        answer = self.api.post("/v1/images", params=query, content=self.picture.read_bytes())
        assert answer.status_code == 201, answer.text
        image_id: str = answer.json()["id"]
        return image_id

    def step(self, image_id: str, **spec: Any) -> tuple[Document, list[str]]:
        """Return the planned step of the noise model, and the warnings of the preflight."""
        posted = {"kind": "denoise", "preset": "instant", "image_ids": [image_id], **spec}
        answer = self.api.post("/v1/jobs/preflight", json=posted)
        assert answer.status_code == 200, answer.text
        (step,) = (each for each in answer.json()["plan"] if each["stage"] == "noise_model")
        return step, answer.json()["warnings"]


@pytest.fixture
def scope(api: httpx.Client, picture: Path, request: pytest.FixtureRequest) -> Scope:
    return Scope(api, request.node.name, picture)


def test_the_exact_profile_comes_first_and_needs_no_warning(scope: Scope) -> None:
    scope.noise_model(scope.profile("tall", region_height_px=2048))
    own = scope.noise_model(scope.profile("own"))
    step, _ = scope.step(scope.image())
    assert (step["id"], step["warning"]) == (own, None)


@pytest.mark.usefixtures("worker")
def test_the_nearest_profile_serves_and_plan_and_job_name_the_difference(scope: Scope) -> None:
    scope.noise_model(scope.profile("far", region_height_px=2048, bit_depth=12, settings={"fan": "on"}))
    near = scope.noise_model(scope.profile("near", region_height_px=2048))
    image_id = scope.image()
    step, warnings = scope.step(image_id)
    assert (step["action"], step["id"]) == ("reuse", near)
    assert f"that of {scope.name} / near was taken" in step["warning"]
    assert step["warning"].endswith("whose region height is 2048 instead of 256")
    assert step["warning"] in warnings
    job = run(scope.api, kind="denoise", preset="instant", image_ids=[image_id])
    assert step["warning"] in job["result"]["values"]["warnings"]


def test_another_gain_serves_only_if_the_image_says_that_it_fits(scope: Scope) -> None:
    other = scope.profile("other", gain=1)
    taken = scope.noise_model(other, gain_adu=_GAIN_ADU)
    image_id = scope.image()
    step, _ = scope.step(image_id)
    assert (step["id"], step["fit"]["verdict"]) == (taken, "ok")
    assert "whose gain is 1 instead of 2" in step["warning"]
    scope.noise_model(other, gain_adu=4 * _GAIN_ADU)
    step, warnings = scope.step(image_id, force=True)
    assert (step["action"], step["fit"]["verdict"]) == ("compute", "refuse")
    assert f"{scope.name} / other, whose gain is 1 instead of 2, was not taken" in step["why"]
    assert "does not explain the noise of the images" in step["why"]
    assert [text for text in warnings if "other" in text] == [step["warning"]]


@pytest.mark.parametrize(
    "settings",
    [{"camera": "Prime"}, {"camera_serial": "8"}, {"readout_mode": "fast"}, {"readout_mode": None}],
)
def test_another_camera_or_readout_mode_never_serves(scope: Scope, settings: Document) -> None:
    scope.noise_model(scope.profile("other", **settings))
    step, _ = scope.step(scope.image())
    assert (step["action"], step["warning"]) == ("compute", None)
    assert "has no noise model yet" in step["why"]


def test_a_retired_noise_model_is_not_chosen(scope: Scope) -> None:
    own, near = scope.profile("own"), scope.profile("near", region_height_px=2048)
    image_id = scope.image()
    for expected in (scope.noise_model(own), scope.noise_model(near)):
        step, _ = scope.step(image_id)
        assert step["id"] == expected
        scope.api.post(f"/v1/noise-models/{expected}/retire").raise_for_status()
    assert scope.step(image_id)[0]["action"] == "compute"


def test_a_job_may_name_the_time_whose_version_it_uses(scope: Scope) -> None:
    before = datetime.now(UTC).isoformat()
    own = scope.profile("own")
    first = scope.noise_model(own)
    between = datetime.now(UTC).isoformat()
    second = scope.noise_model(own)
    image_id = scope.image()
    assert scope.step(image_id)[0]["id"] == second
    step, _ = scope.step(image_id, noise_model_at=between, reuse="none")
    assert (step["id"], step["warning"]) == (first, None)
    assert "imported noise model" in step["why"]
    assert ", active at" in step["why"]
    assert scope.step(image_id, noise_model_at="2100-01-01T00:00:00Z")[0]["id"] == second
    step, warnings = scope.step(image_id, noise_model_at=before)
    assert (step["action"], step["warning"] in warnings) == ("compute", True)
    assert f"no noise model of {scope.name} / own was active at" in step["warning"]
    scope.api.post(f"/v1/noise-models/{first}/retire", json={"reason": "drift"}).raise_for_status()
    step, _ = scope.step(image_id, noise_model_at=between)
    assert step["id"] == first
    assert step["warning"].endswith(": drift")
    scope.api.delete(f"/v1/noise-models/{first}").raise_for_status()
    step, _ = scope.step(image_id, noise_model_at=between)
    assert f"the noise model {first}, which was active at" in step["warning"]


@pytest.mark.parametrize("at", ["yesterday", 1767225600, "2026-01-31T12:00:00"])
def test_a_time_without_a_zone_is_refused(scope: Scope, at: object) -> None:
    spec = {"kind": "denoise", "preset": "instant", "image_ids": ["img_1"], "noise_model_at": at}
    answer = scope.api.post("/v1/jobs/preflight", json=spec)
    assert answer.status_code == 422
    assert "noise_model_at" in answer.json()["detail"]
