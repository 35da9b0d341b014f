"""Numbers that a list of microscopes shows, in every kind of database."""

from typing import Any

from models_store.contracts.noise_models import GmmParameters
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.engines import Database
from models_store.database.tables import NoiseModelRow
from models_store.database.visibility import Viewer
from models_store.repositories import microscopes, noise_models, profiles
from models_store.repositories.microscope_counts import MicroscopeCounts, counts_of_microscopes
from models_store.repositories.noise_model_history import Change, retire
from tests.support.databases import NOON

MODEL = GmmParameters(
    weights=[[0.0], [1.0], [0.0]], variance_floor_adu2=1.0, signal_min_adu=0.0, signal_max_adu=9.0
)
DRIFT: dict[str, Any] = {
    "since": NOON.isoformat(),
    "check_id": "chk_1",
    "job_id": "job_1",
    "told": "it drifted",
    "figures": {"gain": "image"},
}


def test_active_and_drifted_noise_models_of_each_microscope_are_counted(database: Database) -> None:
    with database.write() as session:
        owners = [microscopes.create_microscope(session, name=n, description="", now=NOON) for n in "abc"]
        ids = [
            profiles.register_profile(session, owners[0], name=name, acquisition={"camera": name}, now=NOON)[
                0
            ].id
            for name in ("one", "two")
        ]
        ids.append(profiles.default_profile(session, owners[1], NOON).id)

        def version(profile: int, channel: str | None = None) -> NoiseModelRow:
            return noise_models.create_noise_model(
                session,
                profile_id=ids[profile],
                origin=NoiseModelOrigin.IMPORT,
                parameters=MODEL,
                fit_quality={},
                made_by=None,
                now=NOON,
                channel=channel,
            )

        # An earlier version that is no longer active counts nowhere, marked or not.
        version(0).drift = DRIFT
        version(0)
        version(0, "GFP").drift = DRIFT
        version(1)
        retire(session, version(2), Change(NOON))
    everything = {
        owners[0].id: MicroscopeCounts(profiles=2, active=3, drifted=1),
        owners[1].id: MicroscopeCounts(profiles=1, active=0, drifted=0),
        owners[2].id: MicroscopeCounts(profiles=0, active=0, drifted=0),
    }
    with database.read() as session:
        assert counts_of_microscopes(session, [each.id for each in owners]) == everything
        assert counts_of_microscopes(session, []) == {}
    with database.seen_by(Viewer("key_1", (owners[1].id,))).read() as session:
        seen = counts_of_microscopes(session, [owners[0].id, owners[1].id])
    assert [each.profiles for each in seen.values()] == [0, 1]
