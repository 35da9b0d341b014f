"""The handler that distils a network: continuation after a crash, and progress."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from models_store.contracts.noise_models import noise_model_parameters
from models_store.contracts.outcomes import MadeBlob, MadeNetwork, Outcome
from models_store.contracts.prediction_specs import PredictPartSpec
from models_store.contracts.spec_parts import MadeByJob
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import DEFAULT_PRESET, Method, NoiseModelOrigin, Output, Preset
from models_store.database.engines import Database
from models_store.job_requests.submit import submit
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.networks import create_network
from models_store.repositories.noise_models import create_noise_model
from tests.support.databases import NOON, image, migrated_url, opened
from tests.support.job_contexts import context_of
from tests.support.tiny_training import QUICK
from worker.attempt.context import JobContext, Report
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import DatabaseRegistry
from worker.engine.networks.network import Network
from worker.engine.noise.models.gmm import GaussianMixtureNoiseModel
from worker.engine.prediction.inference import predict_plane
from worker.engine.training.loop import train as train_network
from worker.engine.training.presets import PRESETS
from worker.jobs.estimates import prepare_chosen
from worker.jobs.plane_denoiser import plane_denoiser
from worker.jobs.train import train
from worker.planes.observed_plane import ObservedPlane

PLANE_YX = np.random.default_rng(0).normal(150, 10, (48, 40)).astype(np.float32)
NOISE = GaussianMixtureNoiseModel(
    weights=torch.tensor([[0.0], [float(np.log(100.0))], [0.0]], dtype=torch.float64),
    signal_min_adu=50.0,
    signal_max_adu=250.0,
    variance_floor_adu2=1.0,
)
CPU = torch.device("cpu")


class KilledError(Exception):
    """Raised by a test to end an attempt."""


class Store:
    """Database and blobs with an image, its noise model and a PN2V network trained on it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.blobs = MeasuredBlobs((folder / "blobs").as_uri())
        tifffile.imwrite(folder / "image.tif", PLANE_YX)
        key = self.blobs.put_file("images/img_1/content", folder / "image.tif").key
        pn2v = train_network(
            [PLANE_YX],
            method="pn2v",
            preset=PRESETS[DEFAULT_PRESET],
            noise_model=NOISE,
            seed=0,
            device=CPU,
            on_step=lambda _: None,
        )
        stored = self.blobs.put("networks/pn2v", pn2v.to_bytes())
        parameters = noise_model_parameters.validate_python(NOISE.parameters())
        with database.write() as session:
            session.add(image("img_1", blob_key=key))
            session.flush()
            noise_model = create_noise_model(
                session,
                profile_id=None,
                origin=NoiseModelOrigin.BOOTSTRAP,
                parameters=parameters,
                fit_quality={},
                made_by=None,
                now=NOON,
            )
            maker = TrainSpec(image_ids=["img_1"], method=Method.N2V)
            job = submit(session, maker, NOON, part_pixels=1, job_id="job_maker")
            made = MadeNetwork(
                method=Method.PN2V,
                preset=Preset.FAST,
                recipe="fast",
                blob=MadeBlob(key=stored.key, sha256=stored.sha256, size_bytes=stored.size_bytes),
                description=pn2v.description,
            )
            teacher = create_network(
                session, made, profile_id=None, noise_model_id=noise_model.id, made_by=job, now=NOON
            )
            self.spec = TrainSpec(
                image_ids=["img_1"],
                method=Method.DISTILLED,
                teacher=teacher.id,
                noise_model=noise_model.id,
                refit_noise_model=True,
            )

    def context(self, job_id: str, attempt: int, report: Report) -> AbstractContextManager[JobContext]:
        registry = DatabaseRegistry(self.database)
        return context_of(registry, self.blobs, job_id=job_id, attempt=attempt, report=report)

    def attempt(self, job_id: str, attempt: int, report: Report) -> Outcome:
        with self.context(job_id, attempt, report) as context:
            return train(self.spec, context)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setitem(PRESETS, DEFAULT_PRESET, QUICK)
    with opened(migrated_url("sqlite", request, tmp_path)) as database:
        yield Store(database, tmp_path)


def _weights(store: Store, outcome: Outcome) -> bytes:
    assert outcome.network is not None
    assert outcome.network.method is Method.DISTILLED
    network = Network.from_bytes(store.blobs.get(outcome.network.blob.key))
    return b"".join(values.numpy().tobytes() for values in network.model.state_dict().values())


@pytest.mark.slow
def test_a_distillation_continued_from_its_checkpoint_gives_the_same_network(store: Store) -> None:
    reports: list[tuple[float, str]] = []
    uninterrupted = store.attempt("job_1", 1, lambda fraction, status: reports.append((fraction, status)))
    fractions = [fraction for fraction, _ in reports]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0

    def die(_: float, status: str) -> None:
        if status.startswith("step 41 "):
            raise KilledError

    with pytest.raises(KilledError):
        store.attempt("job_2", 1, die)
    again: list[str] = []
    resumed = store.attempt("job_2", 2, lambda _, status: again.append(status))
    steps = [status for status in again if status.startswith("step ")]
    assert steps[0].startswith("step 41 ")
    assert _weights(store, resumed) == _weights(store, uninterrupted)


def test_a_part_of_a_prediction_delivers_the_distilled_estimate_if_it_was_chosen(store: Store) -> None:
    outcome = store.attempt("job_1", 1, lambda *_: None)
    assert outcome.network is not None
    with store.database.write() as session:
        choice = get_job(session, "job_maker")
        distilled = create_network(
            session, outcome.network, profile_id=None, noise_model_id=None, made_by=choice, now=NOON
        )
        choice.result = {
            "estimate": "distilled",
            "estimated_mse_adu2": {"distilled": 1.0},
            "reason": "a test",
        }
        spec = PredictPartSpec(
            image_ids=("img_1",),
            network=store.spec.teacher,
            noise_model=store.spec.noise_model,
            distilled=distilled.id,
            first_plane=0,
            planes=1,
            outputs=(Output.DENOISED,),
            choice=MadeByJob(job="job_maker"),
        )
    with store.context("job_2", 1, lambda *_: None) as context:
        denoiser = plane_denoiser(prepare_chosen(spec, context), spec, context)
        made = denoiser.denoise(ObservedPlane.of(PLANE_YX))
    network = Network.from_bytes(store.blobs.get(outcome.network.blob.key))
    expected = predict_plane(network, PLANE_YX, device=CPU).prior_mean_yx
    # A denoised plane keeps the mean of the observation.
    shift_adu = np.float32((PLANE_YX - expected.astype(np.float64)).mean())
    np.testing.assert_array_equal(made[Output.DENOISED], expected + shift_adu)
