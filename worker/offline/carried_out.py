"""Predictions of a plan that a command has carried out: noise model and estimate of each channel."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models_store.contracts.job_specs import channel_of
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictSpec
from models_store.errors import JobFailedError
from worker.attempt.registry import KnownNoiseModel
from worker.jobs.inputs import load_noise_model, named_noise_model
from worker.offline.run import OfflineRun


@dataclass(frozen=True)
class Prediction:
    """A prediction of a channel or of whole images: what it was planned with, and what it chose."""

    spec: PredictSpec | ChooseEstimateSpec
    noise_model: KnownNoiseModel
    result: Mapping[str, Any]

    @property
    def channel(self) -> int | None:
        return channel_of(self.spec)


def predictions_of(run: OfflineRun, plan: Plan) -> Iterator[Prediction]:
    context = run.context("", None, lambda *_: None)
    for stage in plan.stages:
        spec = stage.spec
        if isinstance(spec, PredictSpec | ChooseEstimateSpec):
            if (named := named_noise_model(spec)) is None:
                raise JobFailedError("the plan names no noise model")
            noise_model, _ = load_noise_model(context, named)
            yield Prediction(spec, noise_model, run.registry.result(stage.job_id))
