"""Counts of pixel pairs that are kept for pooling, on every kind of database."""

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from models_store.contracts.noise_model_specs import PoolNoiseModelSpec
from models_store.contracts.noise_models import GmmParameters
from models_store.contracts.outcomes import MadeBlob, MadePixelPairs
from models_store.contracts.spec_parts import MAX_IMAGES_PER_JOB
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.database.engines import Database
from models_store.database.tables import NoiseModelRow, Profile
from models_store.errors import FieldError
from models_store.job_requests.pooling_rules import require_pairs_to_pool
from models_store.repositories.jobs import blob_references
from models_store.repositories.microscopes import create_microscope
from models_store.repositories.noise_model_history import Change, active_noise_model
from models_store.repositories.noise_models import create_noise_model, delete_noise_model
from models_store.repositories.pixel_pairs import keep_pixel_pairs, pairs_to_pool
from models_store.repositories.profiles import default_profile
from models_store.repositories.retention import expire_pixel_pairs
from tests.support.databases import NOON, image

NOISE = GmmParameters(
    signal_min_adu=0.0, signal_max_adu=9.0, weights=[[0.0], [1.0], [0.0]], variance_floor_adu2=1.0
)


@pytest.fixture
def profile(database: Database) -> Profile:
    with database.write() as session:
        microscope = create_microscope(session, name="Scope", description="", now=NOON)
        return default_profile(session, microscope, NOON)


def counted(
    session: Session,
    profile: Profile,
    image_ids: Sequence[str],
    minutes: int,
    origin: NoiseModelOrigin = NoiseModelOrigin.BOOTSTRAP,
    channel: str | None = None,
) -> NoiseModelRow:
    """Store a noise model whose pairs were counted some minutes past noon."""
    row = create_noise_model(
        session,
        profile_id=profile.id,
        origin=origin,
        parameters=NOISE,
        fit_quality={},
        made_by=None,
        now=NOON + timedelta(minutes=minutes),
        channel=channel,
    )
    blob = MadeBlob(key=f"jobs/{row.id}/pixel_pairs.npz", sha256="0" * 64, size_bytes=10)
    made = MadePixelPairs(
        blob=blob,
        image_ids=tuple(image_ids),
        pairs=100,
        signal_min_adu=0.0,
        signal_max_adu=9.0,
        saturation_adu=None,
    )
    keep_pixel_pairs(session, row, made)
    session.flush()
    return row


def pooled(session: Session, profile: Profile, **fields: Any) -> list[list[str]]:
    rows = pairs_to_pool(session, profile.id, PoolNoiseModelSpec(microscope="Scope", **fields))
    return [row.image_ids for row in rows]


def test_each_image_is_pooled_once_with_its_newest_counts(database: Database, profile: Profile) -> None:
    with database.write() as session:
        counted(session, profile, ["img_a", "img_b"], 1)
        newest = counted(session, profile, ["img_a"], 3)
        counted(session, profile, ["img_c"], 2)
        counted(session, profile, ["img_d"], 4, NoiseModelOrigin.CALIBRATION)
        counted(session, profile, ["img_e"], 5, channel="GFP")
        counted(session, profile, ["img_a", "img_c"], 6, NoiseModelOrigin.POOLED)
    with database.read() as session:
        assert pooled(session, profile) == [["img_a"], ["img_c"]]
        rows = pairs_to_pool(session, profile.id, PoolNoiseModelSpec(microscope="Scope"))
        assert rows[0].noise_model_id == newest.id
        assert pooled(session, profile, image_ids=["img_c", "img_d"]) == [["img_d"], ["img_c"]]
        assert pooled(session, profile, channel="GFP") == [["img_e"]]
        assert pooled(session, profile, counted_before=NOON + timedelta(minutes=2)) == [["img_a", "img_b"]]
        assert pooled(session, profile, counted_since=NOON + timedelta(minutes=3)) == [["img_a"]]


def test_a_file_that_was_uploaded_twice_is_pooled_once(database: Database, profile: Profile) -> None:
    with database.write() as session:
        for image_id, content, series in (
            ("img_a", "1", 0),
            ("img_b", "1", 0),
            ("img_c", "1", 1),
            ("img_d", "2", 0),
        ):
            session.add(image(image_id, sha256=64 * content, series=series))
        for minutes, image_id in enumerate(["img_a", "img_b", "img_c", "img_d"]):
            counted(session, profile, [image_id], minutes)
    with database.read() as session:
        assert pooled(session, profile) == [["img_d"], ["img_c"], ["img_b"]]


def test_jobs_of_very_many_images_do_not_need_too_large_statements(
    database: Database, profile: Profile
) -> None:
    with database.write() as session:
        connection = session.connection().connection.driver_connection
        if isinstance(connection, sqlite3.Connection):  # of some builds the limit is higher
            connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
        for row in range(34):
            counted(session, profile, [f"img_{row}_{at}" for at in range(MAX_IMAGES_PER_JOB)], row)
        assert len(pooled(session, profile)) == 1


def test_too_few_images_are_told(database: Database, profile: Profile) -> None:
    spec = PoolNoiseModelSpec(microscope="Scope")
    with database.write() as session:
        counted(session, profile, ["img_a", "img_b", "img_c"], 1)
        with pytest.raises(
            FieldError, match="at least 4 images, and those of 3 are kept for default of Scope"
        ):
            require_pairs_to_pool(session, spec)
        counted(session, profile, ["img_d"], 2)
        assert require_pairs_to_pool(session, spec).id == profile.id


@pytest.mark.parametrize(
    ("active", "replaced"),
    [
        (NoiseModelOrigin.BOOTSTRAP, True),
        (NoiseModelOrigin.POOLED, True),
        (NoiseModelOrigin.CALIBRATION, False),
        (NoiseModelOrigin.IMPORT, False),
    ],
)
def test_a_pooled_noise_model_replaces_those_that_are_no_better(
    database: Database, profile: Profile, active: NoiseModelOrigin, *, replaced: bool
) -> None:
    with database.write() as session:
        before = counted(session, profile, ["img_a"], 1, active)
        made = counted(session, profile, ["img_b"], 2, NoiseModelOrigin.POOLED)
        found = active_noise_model(session, profile.id)
        assert found is not None
        assert found.id == (made if replaced else before).id
        counted(session, profile, ["img_c"], 3)
        assert active_noise_model(session, profile.id) == found


def test_counts_go_with_their_noise_model_or_after_their_time(database: Database, profile: Profile) -> None:
    with database.write() as session:
        first, second, third = (counted(session, profile, [f"img_{number}"], number) for number in (1, 2, 3))
        keys = [f"jobs/{row.id}/pixel_pairs.npz" for row in (first, second, third)]
        assert blob_references.referenced(session, keys) == set(keys)
        assert delete_noise_model(session, first, Change(NOON)) == keys[:1]
        expired = expire_pixel_pairs(session, NOON + timedelta(minutes=3), limit=10)
        assert (expired.deleted, expired.deleted_bytes, expired.blob_keys) == (1, 10, (keys[1],))
    with database.read() as session:
        assert pooled(session, profile) == [["img_3"]]
        assert session.get(NoiseModelRow, second.id) is not None
    with database.stream() as session:
        assert list(blob_references.all_references(session, NOON + timedelta(days=1)))[-1] == keys[2]
