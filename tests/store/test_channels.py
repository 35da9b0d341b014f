"""Jobs for images with several channels, on every kind of database."""

import itertools
from itertools import groupby

import pytest
from sqlalchemy.orm import Session

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import channel_of
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec
from models_store.contracts.noise_models import GmmParameters
from models_store.contracts.outcomes import MadeBlob, MadeNetwork, MadeNoiseModel, Outcome
from models_store.contracts.plans import Plan
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import JobState, Method, NoiseModelOrigin, Queue
from models_store.database.engines import Database
from models_store.database.tables import NoiseModelRow
from models_store.errors import ConflictError
from models_store.job_requests.plan_channels import ChannelToDenoise, extent_of_channel, plan_channels
from models_store.job_requests.registered_models import KnownModels
from models_store.repositories import noise_models
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.rows import create_composite_job, get_job
from models_store.repositories.jobs.stages import list_stages
from models_store.repositories.microscopes import create_microscope
from models_store.repositories.networks import get_network, newest_network
from models_store.repositories.noise_model_history import Change, activate, active_noise_model
from models_store.repositories.noise_models import get_noise_model
from models_store.repositories.profiles import default_profile
from tests.support.databases import NOON, image
from tests.support.headers import header_of
from tests.support.stored_jobs import LEASE

HEADER = header_of("CTYX", (2, 4, 16, 20), ("DAPI", "GFP"))
NOISE = GmmParameters(
    signal_min_adu=0.0, signal_max_adu=9.0, weights=[[0.0], [1.0], [0.0]], variance_floor_adu2=1.0
)


@pytest.fixture
def plan(database: Database) -> Plan:
    """Plan of a stored job for an image of a microscope; its prediction has two parts for each channel."""
    numbers = itertools.count(10)
    channels = [
        ChannelToDenoise(
            KnownModels(profile=None), extent_of_channel([("img_dyes", HEADER)], number, 640), None
        )
        for number in range(2)
    ]
    spec = DenoiseSpec(image_ids=["img_dyes"])
    plan = plan_channels(spec, channels, lambda: f"job_{next(numbers)}")
    with database.write() as session:
        microscope = create_microscope(session, name="Scope", description="", now=NOON)
        profile = default_profile(session, microscope, NOON)
        session.add(image("img_dyes", header=HEADER.model_dump(mode="json"), profile_id=profile.id))
        session.flush()
        create_composite_job(session, job_id="job", spec=spec, plan=plan, profile_id=profile.id, now=NOON)
    return plan


def carry_out(database: Database, plan: Plan, job_id: str) -> None:
    """End a stage with a made-up outcome."""
    spec = next(stage.spec for stage in plan.stages if stage.job_id == job_id)
    channel = channel_of(spec)
    outcome = Outcome(result={"warnings": [f"of channel {channel}"]} if channel is not None else {})
    if isinstance(spec, TrainSpec):
        blob = MadeBlob(key=f"networks/{job_id}", sha256="", size_bytes=0)
        made = MadeNetwork(
            method=spec.method, preset=spec.preset, recipe=spec.recipe, blob=blob, description={}
        )
        outcome = outcome.model_copy(update={"network": made})
    if isinstance(spec, BootstrapNoiseModelSpec):
        noise = MadeNoiseModel(origin=NoiseModelOrigin.BOOTSTRAP, parameters=NOISE, fit_quality={})
        outcome = outcome.model_copy(update={"noise_model": noise})
    with database.write() as session:
        claim = lifecycle.claim(session, job_id, worker="w", now=NOON, lease=LEASE)
        assert claim is not None
        lifecycle.finish(session, claim, outcome, NOON)


def test_workers_take_channels_side_by_side(database: Database, plan: Plan) -> None:
    channels = {stage.job_id: channel_of(stage.spec) for stage in plan.stages}
    taken = []
    with database.write() as session:
        while job_id := lifecycle.next_ready(session, list(Queue)):
            assert lifecycle.claim(session, job_id, worker="w", now=NOON, lease=LEASE)
            taken.append(channels[job_id])
    assert taken == [0, 1]


def test_results_are_kept_and_registered_by_channel(database: Database, plan: Plan) -> None:
    for stage in plan.stages:
        carry_out(database, plan, stage.job_id)
    with database.read() as session:
        job = get_job(session, "job")
        assert job.state is JobState.SUCCEEDED
        assert job.result.keys() == {"channels", "warnings"}
        assert job.result["warnings"] == ["of channel 0", "of channel 1"]
        for number, (name, results) in enumerate(
            zip(HEADER.channel_names, job.result["channels"], strict=True)
        ):
            assert (results["channel"], results["name"]) == (number, name)
            assert results["warnings"] == [f"of channel {number}"]
            assert get_noise_model(session, results["noise_model_id"]).channel == name
            for key in ("network_id", "distilled_network_id"):
                assert get_network(session, results[key]).channel == name
            assert _active(session, name) == results["noise_model_id"]
            recipe = get_network(session, results["network_id"]).recipe
            found = newest_network(session, _profile(session), Method.PN2V, [recipe], channel=name)
            assert found is not None
            assert found.id == results["network_id"]
            assert newest_network(session, _profile(session), Method.PN2V, [recipe]) is None
        assert _active(session, None) is None


def test_activating_or_deleting_a_version_leaves_other_channels_alone(database: Database, plan: Plan) -> None:
    for stage in plan.stages:
        carry_out(database, plan, stage.job_id)
    with database.write() as session:
        dapi, gfp = (each["noise_model_id"] for each in get_job(session, "job").result["channels"])
        newer = _import(session, "GFP")
        assert (_active(session, "DAPI"), _active(session, "GFP")) == (dapi, newer.id)
        with pytest.raises(ConflictError, match="activate one of those first"):
            noise_models.delete_noise_model(session, newer, Change(NOON))
        activate(session, get_noise_model(session, gfp), Change(NOON))
        assert (_active(session, "DAPI"), _active(session, "GFP")) == (dapi, gfp)
        noise_models.delete_noise_model(session, newer, Change(NOON))
        noise_models.delete_noise_model(session, _import(session, "Cy5"), Change(NOON))
        assert (_active(session, "DAPI"), _active(session, "GFP")) == (dapi, gfp)


def _import(session: Session, channel: str) -> NoiseModelRow:
    return noise_models.create_noise_model(
        session,
        profile_id=_profile(session),
        channel=channel,
        origin=NoiseModelOrigin.IMPORT,
        parameters=NOISE,
        fit_quality={},
        made_by=None,
        now=NOON,
    )


def test_a_failure_names_the_channel(database: Database, plan: Plan) -> None:
    failing = next(stage for stage in plan.stages if channel_of(stage.spec) == 1)
    with database.write() as session:
        claim = lifecycle.claim(session, failing.job_id, worker="w", now=NOON, lease=LEASE)
        assert claim is not None
        lifecycle.fail(session, claim, {"code": "job-failed", "detail": "no"}, NOON)
    with database.read() as session:
        error = get_job(session, "job").error
    assert error == {"code": "job-failed", "detail": "no", "stage": "n2v", "channel": 1}


@pytest.mark.usefixtures("plan")
def test_parts_of_channels_are_listed_apart(database: Database) -> None:
    with database.read() as session:
        rows = list_stages(session, ["job"])["job"]
    parts = [(row.channel, row.jobs) for row in rows if row.kind == "predict_part"]
    assert parts == [(0, 2), (1, 2)]
    assert [channel for channel, _ in groupby(rows, key=lambda row: row.channel)] == [0, 1, None]


def _profile(session: Session) -> str:
    found = get_job(session, "job").profile_id
    assert found is not None
    return found


def _active(session: Session, channel: str | None) -> str | None:
    found = active_noise_model(session, _profile(session), channel=channel)
    return found.id if found else None
