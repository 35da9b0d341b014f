"""Reuse of stored networks by denoise jobs."""

from datetime import timedelta
from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.vocabulary import Method, Preset
from tests.support.application import MakeApplication
from tests.support.databases import network
from tests.support.posted_jobs import upload

NOISE = np.random.default_rng(6).normal(0, 20, (96, 97))
IMAGES = {"independent": NOISE[:, 1:], "correlated": NOISE[:, 1:] + 0.5 * NOISE[:, :-1]}


def planned(api: httpx.Client, image_id: str, **fields: str) -> dict[str, str | None]:
    spec = {"kind": "denoise", "image_ids": [image_id], "reuse": "network"} | fields
    answer = api.post("/v1/jobs/preflight", json=spec)
    return {step["stage"]: step["id"] for step in answer.json()["plan"]}


@pytest.mark.parametrize("distilled", [True, False])
@pytest.mark.parametrize("teaches", [True, False])
def test_a_teacher_is_reused_only_beside_the_network_that_learned_from_it(
    tmp_path: Path, make_application: MakeApplication, *, teaches: bool, distilled: bool
) -> None:
    application = make_application()
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Scope"}).raise_for_status()
        images = {}
        for name, noise_yx in IMAGES.items():
            path = tmp_path / f"{name}.tif"
            tifffile.imwrite(path, np.rint(1000 + noise_yx).astype(np.uint16))
            images[name] = upload(api, path, microscope="Scope")
        (profile,) = api.get("/v1/microscopes/Scope/profiles").json()
        with application.database.write() as session:
            for method in (Method.N2V, Method.PN2V, *([Method.DISTILLED] if distilled else [])):
                stored = network(f"net_{method}")
                stored.profile_id, stored.method = profile["id"], method
                spec = DenoiseSpec(image_ids=["img"])
                stored.recipe = spec.recipe_of(teaches=teaches and method is not Method.DISTILLED)
                session.add(stored)
        independent, correlated = (planned(api, images[name], prior="none") for name in IMAGES)
    assert independent["pn2v"] == ("net_pn2v" if distilled or not teaches else None)
    assert independent["n2v"] == "net_n2v"
    assert (correlated["n2v"], correlated["pn2v"]) == ((None, None) if teaches else ("net_n2v", "net_pn2v"))


def test_an_adapted_network_of_the_same_profile_channel_and_recipe_is_reused(
    tmp_path: Path, make_application: MakeApplication
) -> None:
    path = tmp_path / "independent.tif"
    tifffile.imwrite(path, np.rint(1000 + IMAGES["independent"]).astype(np.uint16))
    application = make_application()
    fast = DenoiseSpec(image_ids=["img"], preset=Preset.FAST).recipe_adapting(None)
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Scope"}).raise_for_status()
        other = api.post("/v1/microscopes/Scope/profiles", json={"name": "60x"}).json()["id"]
        image_id = upload(api, path, microscope="Scope")
        (profile,) = (
            each["id"] for each in api.get("/v1/microscopes/Scope/profiles").json() if each["id"] != other
        )
        stored = {
            "older": {},
            "newest": {},
            "other_profile": {"profile_id": other},
            "other_channel": {"channel": "GFP"},
            "other_preset": {"recipe": DenoiseSpec(image_ids=["img"]).recipe_adapting(None)},
            "other_prior": {"recipe": f"{fast}:net_own"},
            "movies": {"recipe": f"{fast} neighbours=3"},
            "from_nothing": {"recipe": DenoiseSpec(image_ids=["img"], preset=Preset.FAST).recipe},
        }
        with application.database.write() as session:
            for number, (name, different) in enumerate(stored.items()):
                row = network(f"net_{name}")
                row.method, row.created_at = Method.DISTILLED, row.created_at + timedelta(hours=number)
                usual = {"profile_id": profile, "recipe": fast}
                for field, value in (usual | different).items():
                    setattr(row, field, value)
                session.add(row)
        assert planned(api, image_id, preset="fast")["distil"] == "net_newest"
        for fields in ({"preset": "fast", "prior": "none"}, {"preset": "fast", "reuse": "noise_model"}):
            assert planned(api, image_id, **fields)["distil"] is None
        assert planned(api, image_id)["distil"] == "net_other_preset"
