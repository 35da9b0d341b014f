"""Reuse of stored networks by denoise jobs."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.vocabulary import Method
from tests.support.application import MakeApplication
from tests.support.databases import network
from tests.support.posted_jobs import upload

NOISE = np.random.default_rng(6).normal(0, 20, (96, 97))
IMAGES = {"independent": NOISE[:, 1:], "correlated": NOISE[:, 1:] + 0.5 * NOISE[:, :-1]}


def planned(api: httpx.Client, image_id: str) -> dict[str, str | None]:
    spec = {"kind": "denoise", "image_ids": [image_id], "reuse": "network"}
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
        independent, correlated = (planned(api, images[name]) for name in IMAGES)
    assert independent["pn2v"] == ("net_pn2v" if distilled or not teaches else None)
    assert independent["n2v"] == "net_n2v"
    assert (correlated["n2v"], correlated["pn2v"]) == ((None, None) if teaches else ("net_n2v", "net_pn2v"))
