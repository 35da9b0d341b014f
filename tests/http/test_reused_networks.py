"""Which stored networks a denoise job takes instead of training its own."""

from pathlib import Path

import httpx
import numpy as np
import pytest
import tifffile

from models_store.contracts.job_specs import TrainSpec
from models_store.contracts.vocabulary import Method
from models_store.image_files.isolation.client import Isolation
from tests.support.application import Application
from tests.support.databases import network
from tests.support.posted_jobs import upload

NOISE = np.random.default_rng(6).normal(0, 20, (96, 97))
IMAGES = {"independent": NOISE[:, 1:], "correlated": NOISE[:, 1:] + 0.5 * NOISE[:, :-1]}


def planned(api: httpx.Client, image_id: str) -> dict[str, str | None]:
    spec = {"kind": "denoise", "image_ids": [image_id], "reuse": "network"}
    answer = api.post("/v1/jobs/preflight", json=spec)
    return {step["stage"]: step["id"] for step in answer.json()["plan"]}


@pytest.mark.parametrize("teaches", [True, False])
def test_a_network_that_was_to_teach_is_reused_only_where_one_is_distilled(
    teaches: bool,  # noqa: FBT001  # a parameter of the test
    tmp_path: Path,
    isolation: Isolation,
) -> None:
    application = Application(tmp_path / "data", isolation)
    with application.client() as api:
        api.post("/v1/microscopes", json={"name": "Scope"}).raise_for_status()
        images = {}
        for name, noise_yx in IMAGES.items():
            path = tmp_path / f"{name}.tif"
            tifffile.imwrite(path, np.rint(1000 + noise_yx).astype(np.uint16))
            images[name] = upload(api, path, microscope="Scope")
        (profile,) = api.get("/v1/microscopes/Scope/profiles").json()
        with application.database.write() as session:
            for method in (Method.N2V, Method.PN2V):
                stored = network(f"net_{method}")
                stored.profile_id, stored.method = profile["id"], method
                stored.recipe = TrainSpec(image_ids=["img"], method=method, teaches=teaches).recipe
                session.add(stored)
        independent, correlated = (planned(api, images[name]) for name in IMAGES)
    application.close()
    assert (independent["n2v"], independent["pn2v"]) == ("net_n2v", "net_pn2v")
    assert (correlated["n2v"], correlated["pn2v"]) == ((None, None) if teaches else ("net_n2v", "net_pn2v"))
