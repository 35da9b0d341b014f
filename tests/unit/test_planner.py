"""Plans of denoise jobs, for every state of the registry."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import dependencies
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec, RefitNoiseModelSpec
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import (
    AssembleSpec,
    ChooseEstimateSpec,
    PredictPartSpec,
    PredictSpec,
)
from models_store.contracts.spec_parts import (
    MadeByJob,
    PartOfPrediction,
    StructuredMask,
    TrainingBudget,
)
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import (
    Method,
    NoiseModelKind,
    NoiseModelOrigin,
    Output,
    OutputDtype,
    Preset,
    Reuse,
)
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent, plan_prediction
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from worker.engine.training.presets import PRESETS

NOTHING = KnownModels(profile="Scope / default")
IMPORTED = KnownModels(profile="Scope / default", noise_model_id="nm_1")
NO_PN2V = KnownModels(profile="Scope / default", noise_model_id="nm_1", n2v_network_id="net_n2v")
EVERYTHING = KnownModels(
    profile="Scope / default",
    noise_model_id="nm_2",
    n2v_network_id="net_n2v",
    pn2v_network_id="net_pn2v",
    pn2v_noise_model_id="nm_1",
    distilled_network_id="net_distilled",
)
CALIBRATED = replace(EVERYTHING, noise_model_origin=NoiseModelOrigin.CALIBRATION)
ANONYMOUS = KnownModels(profile=None)
ONE_PLANE = PredictionExtent([ImageExtent("img_1", planes=1, plane_px=100)], part_pixels=1000)
FORTY_PLANES = PredictionExtent([ImageExtent("img_1", planes=40, plane_px=100)], part_pixels=1000)


def plan(
    registry: KnownModels,
    reuse: Reuse,
    noise_model: str | None = None,
    extent: PredictionExtent = ONE_PLANE,
    kind: NoiseModelKind | None = None,
    **training: Any,
) -> Plan:
    numbers = itertools.count()
    spec = DenoiseSpec(
        image_ids=["img_1"], reuse=reuse, noise_model=noise_model, noise_model_kind=kind, **training
    )
    return plan_denoise(spec, registry, extent, lambda: f"job_{next(numbers)}")


@pytest.mark.parametrize(
    ("registry", "reuse", "stages"),
    [
        (EVERYTHING, Reuse.NONE, ["n2v", "noise_model", "pn2v", "distil", "predict"]),
        (NOTHING, Reuse.NETWORK, ["n2v", "noise_model", "pn2v", "distil", "predict"]),
        (ANONYMOUS, Reuse.NETWORK, ["n2v", "noise_model", "pn2v", "distil", "predict"]),
        (IMPORTED, Reuse.NOISE_MODEL, ["n2v", "pn2v", "distil", "predict"]),
        (NO_PN2V, Reuse.NOISE_MODEL, ["pn2v", "distil", "predict"]),
        (NO_PN2V, Reuse.NETWORK, ["pn2v", "distil", "predict"]),
        (EVERYTHING, Reuse.NOISE_MODEL, ["pn2v", "distil", "predict"]),
        (EVERYTHING, Reuse.NETWORK, ["predict"]),
        (NOTHING, Reuse.CALIBRATION, ["n2v", "noise_model", "pn2v", "distil", "predict"]),
        (ANONYMOUS, Reuse.CALIBRATION, ["n2v", "noise_model", "pn2v", "distil", "predict"]),
        (EVERYTHING, Reuse.CALIBRATION, ["n2v", "noise_model", "pn2v", "distil", "predict"]),
        (CALIBRATED, Reuse.CALIBRATION, ["n2v", "pn2v", "distil", "predict"]),
        (CALIBRATED, Reuse.NONE, ["n2v", "noise_model", "pn2v", "distil", "predict"]),
    ],
)
def test_only_what_is_missing_is_computed(registry: KnownModels, reuse: Reuse, stages: list[str]) -> None:
    planned = plan(registry, reuse)
    assert list(dict.fromkeys(stage.stage for stage in planned.stages)) == stages
    assert [step.stage for step in planned.steps if step.action == "compute"] == stages
    assert [step.stage for step in planned.steps] == ["n2v", "noise_model", "pn2v", "distil", "predict"]
    assert all(step.why for step in planned.steps)


def test_a_stage_waits_for_those_whose_results_it_needs() -> None:
    planned = plan(NOTHING, Reuse.NONE)
    n2v, noise_model, pn2v, refit, distil, predict = planned.stages
    assert [dependencies(stage.spec) for stage in planned.stages] == [
        set(),
        {n2v.job_id},
        {n2v.job_id, noise_model.job_id},
        {noise_model.job_id, pn2v.job_id},
        {refit.job_id, pn2v.job_id},
        {n2v.job_id, pn2v.job_id, refit.job_id, distil.job_id},
    ]
    assert predict.stage == "predict"


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (None, NoiseModelKind.GMM),
        (NoiseModelKind.GMM, NoiseModelKind.GMM),
        (NoiseModelKind.HISTOGRAM, NoiseModelKind.HISTOGRAM),
    ],
)
def test_a_noise_model_of_the_requested_kind_is_bootstrapped(
    asked: NoiseModelKind | None, made: NoiseModelKind
) -> None:
    fit = next(stage.spec for stage in plan(NOTHING, Reuse.NONE, kind=asked).stages[1:])
    assert isinstance(fit, BootstrapNoiseModelSpec)
    assert fit.noise_model_kind == made


@pytest.mark.parametrize("asked", [None, NoiseModelKind.HISTOGRAM])
def test_the_active_noise_model_is_reused_if_it_is_of_the_requested_kind(
    asked: NoiseModelKind | None,
) -> None:
    histogram = replace(NO_PN2V, noise_model_kind=NoiseModelKind.HISTOGRAM)
    assert [step.id for step in plan(histogram, Reuse.NOISE_MODEL, kind=asked).steps][1] == "nm_1"


def test_an_active_noise_model_of_another_kind_is_not_reused_and_the_plan_says_so() -> None:
    histogram = replace(NO_PN2V, noise_model_kind=NoiseModelKind.HISTOGRAM)
    step = plan(histogram, Reuse.NOISE_MODEL, kind=NoiseModelKind.GMM).steps[1]
    assert (step.stage, step.action) == ("noise_model", "compute")
    assert "is of kind histogram, the job asks for gmm" in step.why


@pytest.mark.parametrize("origin", sorted(set(NoiseModelOrigin) - {NoiseModelOrigin.BOOTSTRAP}))
def test_a_calibrated_noise_model_is_used_unless_the_job_says_otherwise(origin: NoiseModelOrigin) -> None:
    registry = replace(EVERYTHING, noise_model_origin=origin)
    spec = DenoiseSpec(image_ids=["img_1"])
    step = plan(registry, spec.reuse).steps[1]
    assert (step.action, step.id) == ("reuse", "nm_2")
    assert {"calibration": "the calibrated", "import": "the imported", "pooled": "the pooled"}[
        origin
    ] in step.why
    assert plan(registry, Reuse.NONE).steps[1].action == "compute"


def test_a_plan_says_that_a_bootstrapped_noise_model_was_not_asked_for() -> None:
    why = plan(EVERYTHING, Reuse.CALIBRATION).steps[1].why
    assert "Scope / default has no calibrated or pooled noise model" in why


def test_a_network_is_not_applied_with_a_noise_model_of_another_kind() -> None:
    histogram = replace(EVERYTHING, noise_model_kind=NoiseModelKind.HISTOGRAM)
    step = plan(histogram, Reuse.NETWORK, kind=NoiseModelKind.GMM).steps[1]
    assert (step.id, step.why) == ("nm_1", "the network was trained with it")


def test_a_reused_network_is_applied_with_the_active_noise_model() -> None:
    predict = plan(EVERYTHING, Reuse.NETWORK).stages[0].spec
    assert isinstance(predict, PredictSpec)
    assert (predict.network, predict.noise_model) == ("net_pn2v", "nm_2")
    assert predict.compare_with == "net_n2v"


def test_only_a_bootstrapped_noise_model_is_fitted_again_and_once() -> None:
    for registry, refits in ((NOTHING, 1), (IMPORTED, 0)):
        specs = [stage.spec for stage in plan(registry, Reuse.NOISE_MODEL).stages]
        assert sum(isinstance(spec, RefitNoiseModelSpec) for spec in specs) == refits
        for spec in specs:
            if isinstance(spec, TrainSpec | PredictSpec):
                assert not spec.refit_noise_model


def test_a_refit_belongs_to_the_first_stage_that_needs_it() -> None:
    for preset, stage in ((Preset.BALANCED, "distil"), (Preset.PAPER, "predict")):
        planned = plan(NOTHING, Reuse.NONE, preset=preset).stages
        assert [each.stage for each in planned if isinstance(each.spec, RefitNoiseModelSpec)] == [stage]


def test_a_noise_model_named_in_the_job_comes_before_the_registry() -> None:
    train = plan(EVERYTHING, Reuse.NETWORK, noise_model="nm_mine").stages[0].spec
    assert isinstance(train, TrainSpec)
    assert (train.noise_model, train.start) == ("nm_mine", "net_n2v")


def _teaching(planned: Plan) -> dict[str, bool]:
    trainings = {stage.stage: stage.spec for stage in planned.stages if isinstance(stage.spec, TrainSpec)}
    return {stage: spec.teaches for stage, spec in trainings.items()}


def test_a_distilled_network_uses_the_teacher_and_noise_model_of_the_prediction() -> None:
    for registry, bootstrapped in ((NOTHING, True), (IMPORTED, False)):
        planned = plan(registry, Reuse.NOISE_MODEL)
        specs = {stage.stage: stage.spec for stage in planned.stages}
        ids = {stage.stage: stage.job_id for stage in planned.stages}
        refits = [stage.job_id for stage in planned.stages if isinstance(stage.spec, RefitNoiseModelSpec)]
        distil, predict = specs["distil"], specs["predict"]
        assert isinstance(distil, TrainSpec)
        assert isinstance(predict, PredictSpec)
        assert (distil.method, distil.teacher) == (Method.DISTILLED, MadeByJob(job=ids["pn2v"]))
        assert (distil.noise_model, distil.start) == (predict.noise_model, None)
        assert distil.noise_model == (MadeByJob(job=refits[0]) if bootstrapped else "nm_1")
        assert predict.distilled == MadeByJob(job=ids["distil"])
        assert _teaching(planned) == {"n2v": True, "pn2v": True, "distil": False}


@pytest.mark.parametrize(
    ("training", "word"),
    [({"preset": Preset.PAPER}, "paper"), ({"structured_mask": StructuredMask(x_px=1)}, "correlated")],
)
@pytest.mark.parametrize("reuse", [Reuse.NONE, Reuse.NETWORK])
def test_distillation_is_skipped_where_it_is_of_no_use(
    training: dict[str, Any], word: str, reuse: Reuse
) -> None:
    planned = plan(EVERYTHING, reuse, **training)
    step = next(step for step in planned.steps if step.stage == "distil")
    assert (step.action, step.id) == ("skip", None)
    assert word in step.why
    predict = planned.stages[-1].spec
    assert isinstance(predict, PredictSpec)
    assert predict.distilled is None
    assert not any(_teaching(planned).values())


def test_an_empty_mask_does_not_prevent_distillation() -> None:
    stages = plan(NOTHING, Reuse.NONE, structured_mask=StructuredMask()).stages
    assert "distil" in [stage.stage for stage in stages]


@pytest.mark.parametrize("preset", [preset for preset in Preset if preset.trains])
def test_the_planner_knows_what_presets_do(preset: Preset) -> None:
    assert preset.distils == (PRESETS[preset].distillation_steps > 0)
    assert preset.warm_starts == PRESETS[preset].warm_start


def test_a_reused_network_brings_its_distilled_one_if_there_is_one() -> None:
    for registry, taken in (
        (EVERYTHING, "net_distilled"),
        (replace(EVERYTHING, distilled_network_id=None), None),
    ):
        planned = plan(registry, Reuse.NETWORK)
        step = next(step for step in planned.steps if step.stage == "distil")
        assert (step.action, step.id) == ("reuse" if taken else "skip", taken)
        assert "Scope / default" in step.why
        predict = planned.stages[0].spec
        assert isinstance(predict, PredictSpec)
        assert predict.distilled == taken


def test_different_recipes_have_different_names() -> None:
    recipes = {
        TrainSpec(image_ids=["img_1"], method=Method.N2V, preset=preset, budget=budget).recipe
        for preset in Preset
        if preset.trains
        for budget in (TrainingBudget(), TrainingBudget(steps=5), TrainingBudget(features=8))
    }
    assert len(recipes) == 9


def test_the_plan_says_why_nothing_is_reused() -> None:
    why = {step.stage: step.why for step in plan(ANONYMOUS, Reuse.NETWORK).steps}
    assert "no microscope" in why["noise_model"]
    why = {step.stage: step.why for step in plan(NOTHING, Reuse.NETWORK).steps}
    assert "Scope / default" in why["noise_model"]


def test_a_large_prediction_is_divided_into_parts_that_one_stage_assembles() -> None:
    planned = plan(NOTHING, Reuse.NONE, extent=FORTY_PLANES)
    assert [stage.stage for stage in planned.stages] == [
        "n2v",
        "noise_model",
        "pn2v",
        "distil",
        "distil",
        *["predict"] * 6,
    ]
    choice, *parts, assembly = [stage for stage in planned.stages if stage.stage == "predict"]
    assert isinstance(choice.spec, ChooseEstimateSpec)
    for part in parts:
        assert isinstance(part.spec, PredictPartSpec)
        assert choice.job_id in dependencies(part.spec)
    assert [part.spec.first_plane for part in parts if isinstance(part.spec, PredictPartSpec)] == [
        0,
        10,
        20,
        30,
    ]
    assert isinstance(assembly.spec, AssembleSpec)
    assert assembly.spec.parts == tuple(PartOfPrediction(job=part.job_id) for part in parts)
    assert dependencies(assembly.spec) == {part.job_id for part in parts}


def test_dividing_a_prediction_does_not_change_its_share_of_the_job() -> None:
    weights = [
        sum(stage.weight for stage in plan(NOTHING, Reuse.NONE, extent=extent).stages)
        for extent in (ONE_PLANE, FORTY_PLANES)
    ]
    assert weights == pytest.approx([1.0, 1.0])


def test_the_plan_says_into_how_many_parts_a_prediction_is_divided_and_why() -> None:
    one, many = (
        plan(EVERYTHING, Reuse.NETWORK, extent=extent).steps[-1] for extent in (ONE_PLANE, FORTY_PLANES)
    )
    assert (one.parts, many.parts) == (1, 4)
    assert "not divided" in one.why
    assert "40 planes" in many.why
    assert "4 parts" in many.why


def test_parts_get_all_options_of_the_prediction() -> None:
    numbers = itertools.count()
    spec = PredictSpec(
        image_ids=["img_1"],
        network="net_1",
        noise_model="nm_1",
        compare_with="net_2",
        distilled="net_3",
        pretrained_stack="net_4",
        outputs=(Output.PRIOR_MEAN,),
        output_dtype=OutputDtype.SAME,
        seed=7,
    )
    specs = [
        stage.spec for stage in plan_prediction(spec, FORTY_PLANES, lambda: f"job_{next(numbers)}").stages
    ]
    options: dict[str, object] = {}
    for each in specs:
        options |= {name: getattr(each, name) for name in type(each).model_fields}
    wanted = spec.model_dump(exclude={"kind", "image_ids", "series", "force"})
    assert {name: options[name] for name in wanted} == wanted
