"""A pooled noise model serves the nearest profile, for images of its own channel alone."""

import pytest

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.noise_models import GmmParameters
from models_store.contracts.vocabulary import NoiseModelOrigin, Preset
from models_store.database.engines import Database
from models_store.job_requests.choose_noise_model import choose_noise_model
from models_store.repositories import microscopes, noise_models, profiles
from models_store.repositories.microscopes import get_profile
from tests.support.databases import NOON

MODEL = GmmParameters(
    weights=[[0.0], [1.0], [0.0]], variance_floor_adu2=1.0, signal_min_adu=0.0, signal_max_adu=9.0
)


@pytest.mark.parametrize(
    ("origin", "channel", "wanted", "taken"),
    [
        (NoiseModelOrigin.POOLED, None, None, True),
        (NoiseModelOrigin.POOLED, "DAPI", "DAPI", True),
        (NoiseModelOrigin.POOLED, None, "DAPI", False),
        (NoiseModelOrigin.POOLED, "DAPI", None, False),
        (NoiseModelOrigin.CALIBRATION, None, "DAPI", True),
        (NoiseModelOrigin.BOOTSTRAP, None, None, False),
    ],
)
def test_which_noise_models_serve_the_nearest_profile(
    database: Database, origin: NoiseModelOrigin, channel: str | None, wanted: str | None, *, taken: bool
) -> None:
    with database.write() as session:
        scope = microscopes.create_microscope(session, name="m", description="", now=NOON)
        near, own = (
            profiles.create_profile(
                session, scope, name=name, acquisition={"camera": "Flash", "region_height_px": rows}, now=NOON
            )
            for name, rows in (("near", 2048), ("own", 256))
        )
        made = noise_models.create_noise_model(
            session,
            profile_id=near.id,
            channel=channel,
            origin=origin,
            parameters=MODEL,
            fit_quality={},
            made_by=None,
            now=NOON,
        )
    with database.read() as session:
        spec = DenoiseSpec(image_ids=["img_1"], preset=Preset.INSTANT)
        choice = choose_noise_model(session, spec, get_profile(session, own.id), None, wanted)
    assert (choice.noise_model.id if choice.noise_model else None) == (made.id if taken else None)
    if taken:
        assert choice.warning is not None
        assert "whose region height is 2048 instead of 256" in choice.warning
