"""What a denoise job plans, for every state of the registry."""

import itertools

import pytest

from models_store.contracts.jobs import DenoiseSpec, PredictSpec, TrainSpec, dependencies
from models_store.contracts.states import Reuse
from models_store.planner import Plan, Registry, plan_denoise

NOTHING = Registry(profile="Scope / default")
NOISE_MODEL = Registry(profile="Scope / default", noise_model_id="nm_1")
EVERYTHING = Registry(
    profile="Scope / default", noise_model_id="nm_2", network_id="net_1", network_noise_model_id="nm_1"
)
ANONYMOUS = Registry(profile=None)


def plan(registry: Registry, reuse: Reuse, noise_model: str | None = None) -> Plan:
    numbers = itertools.count()
    spec = DenoiseSpec(image_ids=["img_1"], reuse=reuse, noise_model=noise_model)
    return plan_denoise(spec, registry, lambda: f"job_{next(numbers)}")


@pytest.mark.parametrize(
    ("registry", "reuse", "stages"),
    [
        (EVERYTHING, Reuse.NONE, ["n2v", "noise_model", "pn2v", "predict"]),
        (NOTHING, Reuse.NETWORK, ["n2v", "noise_model", "pn2v", "predict"]),
        (ANONYMOUS, Reuse.NETWORK, ["n2v", "noise_model", "pn2v", "predict"]),
        (NOISE_MODEL, Reuse.NOISE_MODEL, ["pn2v", "predict"]),
        (NOISE_MODEL, Reuse.NETWORK, ["pn2v", "predict"]),
        (EVERYTHING, Reuse.NOISE_MODEL, ["pn2v", "predict"]),
        (EVERYTHING, Reuse.NETWORK, ["predict"]),
    ],
)
def test_only_what_is_missing_is_computed(registry: Registry, reuse: Reuse, stages: list[str]) -> None:
    planned = plan(registry, reuse)
    assert [stage.stage for stage in planned.stages] == stages
    assert [step.stage for step in planned.steps if step.action == "compute"] == stages
    assert [step.stage for step in planned.steps] == ["n2v", "noise_model", "pn2v", "predict"]
    assert all(step.why for step in planned.steps)


def test_a_stage_waits_for_those_whose_results_it_needs() -> None:
    planned = plan(NOTHING, Reuse.NONE)
    ids = {stage.stage: stage.job_id for stage in planned.stages}
    needs = {stage.stage: dependencies(stage.spec) for stage in planned.stages}
    assert needs == {
        "n2v": set(),
        "noise_model": {ids["n2v"]},
        "pn2v": {ids["n2v"], ids["noise_model"]},
        "predict": {ids["n2v"], ids["noise_model"], ids["pn2v"]},
    }


def test_a_reused_network_is_applied_with_the_noise_model_it_was_trained_with() -> None:
    predict = plan(EVERYTHING, Reuse.NETWORK).stages[0].spec
    assert isinstance(predict, PredictSpec)
    assert (predict.network, predict.noise_model) == ("net_1", "nm_1")


def test_a_noise_model_named_in_the_job_comes_before_the_registry() -> None:
    planned = plan(EVERYTHING, Reuse.NETWORK, noise_model="nm_mine")
    train = planned.stages[0].spec
    assert isinstance(train, TrainSpec)
    assert train.noise_model == "nm_mine"


def test_the_plan_says_why_nothing_is_reused() -> None:
    why = {step.stage: step.why for step in plan(ANONYMOUS, Reuse.NETWORK).steps}
    assert "no microscope" in why["noise_model"]
    why = {step.stage: step.why for step in plan(NOTHING, Reuse.NETWORK).steps}
    assert "Scope / default" in why["noise_model"]
