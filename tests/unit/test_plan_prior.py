"""Plans of denoise jobs that start from the pretrained network, and of those that do not."""

import itertools
from dataclasses import replace
from math import prod
from typing import Any

import pytest

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import networks_named
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import ChooseEstimateSpec, PredictPartSpec, PredictSpec
from models_store.contracts.spec_parts import MadeByJob, StructuredMask, TrainingBudget
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Output, Preset, Prior, Reuse
from models_store.image_files.header import ImageHeader, PixelSize
from models_store.image_files.optics import Optics
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from models_store.survey.correlation import NeighbourCorrelation

INDEPENDENT = NeighbourCorrelation(0.0, 0.0, 0.01, 0.01, 0.01)
CORRELATED = NeighbourCorrelation(0.4, 0.4, 0.01, 0.01, 0.01)
ONE_PLANE = ImageExtent("img_1", planes=1, plane_px=100)
NOTHING = KnownModels(profile="Scope / default")
ADAPTED = replace(NOTHING, adapted_network_id="net_adapted")


def plan(
    correlation: NeighbourCorrelation | None = INDEPENDENT,
    image: ImageExtent = ONE_PLANE,
    known: KnownModels = NOTHING,
    **fields: Any,
) -> Plan:
    numbers = itertools.count()
    spec = DenoiseSpec(image_ids=["img_1"], **fields)
    extent = PredictionExtent([image], part_pixels=1000)
    return plan_denoise(spec, known, extent, lambda: f"job_{next(numbers)}", correlation=correlation)


@pytest.mark.parametrize("preset", [Preset.FAST, Preset.BALANCED])
@pytest.mark.parametrize("prior", [None, Prior.PRETRAINED])
def test_independent_noise_lets_the_pretrained_network_take_the_teachers_place(
    preset: Preset, prior: Prior | None
) -> None:
    planned = plan(preset=preset, prior=prior)
    noise_model, distil, predict = (stage.spec for stage in planned.stages)
    assert isinstance(noise_model, BootstrapNoiseModelSpec)
    assert isinstance(distil, TrainSpec)
    assert isinstance(predict, PredictSpec)
    assert noise_model.network == distil.teacher == distil.start == predict.network == "pretrained"
    assert predict.distilled == MadeByJob(job=planned.stages[1].job_id)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"prior": Prior.NONE}, "the job says prior none"),
        ({"correlation": None}, "has not been measured yet"),
        ({"correlation": CORRELATED}, "noise of neighbouring pixels"),
        ({"budget": TrainingBudget(steps=10)}, "the budget"),
        ({"structured_mask": StructuredMask(x_px=1)}, "the structured mask"),
        ({"outputs": (Output.MMSE,)}, "PN2V's estimates are asked for"),
        ({"preset": Preset.PAPER}, "the preset paper never uses"),
    ],
)
def test_networks_are_trained_from_nothing_where_the_pretrained_one_does_not_do(
    change: dict[str, Any], why: str
) -> None:
    planned = plan(**change)
    _, why_not_adapted = planned.steps[0].why.split("; the pretrained network is not adapted: ")
    assert why in why_not_adapted
    assert planned.steps[0].action == "compute"


@pytest.mark.parametrize("preset", [Preset.FAST, Preset.BALANCED])
def test_a_network_that_was_adapted_to_other_images_is_reused(preset: Preset) -> None:
    planned = plan(known=ADAPTED, preset=preset, reuse=Reuse.NETWORK)
    noise_model, predict = (stage.spec for stage in planned.stages)
    assert isinstance(noise_model, BootstrapNoiseModelSpec)
    assert isinstance(predict, PredictSpec)
    assert (predict.network, predict.distilled) == ("pretrained", "net_adapted")
    step = next(step for step in planned.steps if step.stage == "distil")
    assert (step.action, step.id) == ("reuse", "net_adapted")
    with_its_noise_model = replace(ADAPTED, noise_model_id="nm_1")
    (stage,) = plan(known=with_its_noise_model, preset=preset, reuse=Reuse.NETWORK).stages
    assert isinstance(stage.spec, PredictSpec)
    assert stage.spec.noise_model == "nm_1"


@pytest.mark.parametrize("change", [{"reuse": Reuse.NOISE_MODEL}, {"known": NOTHING, "reuse": Reuse.NETWORK}])
def test_without_one_or_if_the_job_reuses_none_the_pretrained_network_is_adapted(
    change: dict[str, Any],
) -> None:
    planned = plan(**({"known": ADAPTED} | change))
    assert [stage.stage for stage in planned.stages] == ["noise_model", "distil", "predict"]


@pytest.mark.parametrize(
    ("change", "distilled"),
    [
        ({}, "net_distilled"),
        ({"prior": Prior.NONE}, "net_distilled"),
        ({"prior": Prior.PRETRAINED}, "net_adapted"),
        ({"pretrained": "packaged"}, "net_adapted"),
        ({"pretrained_stack": "packaged"}, "net_adapted"),
        # Where the pretrained network has no part, its adapted one has none.
        ({"prior": Prior.PRETRAINED, "correlation": CORRELATED}, None),
        ({"correlation": CORRELATED}, None),
    ],
)
def test_networks_trained_from_nothing_are_reused_first_unless_the_job_names_a_prior(
    change: dict[str, Any], distilled: str | None
) -> None:
    known = replace(
        ADAPTED,
        noise_model_id="nm_1",
        pn2v_network_id="net_pn2v",
        pn2v_noise_model_id="nm_1",
        distilled_network_id="net_distilled",
    )
    (stage,) = plan(known=known, reuse=Reuse.NETWORK, **change).stages
    assert isinstance(stage.spec, PredictSpec)
    assert stage.spec.distilled == distilled
    assert stage.spec.network == ("pretrained" if distilled == "net_adapted" else "net_pn2v")


def _deep(step_um: float) -> ImageHeader:
    """Return the header of a stack in depth whose file tells of its optics."""
    optics = Optics(numerical_aperture=1.2, refractive_index=1.33, emission_nm=520)
    size = PixelSize(x_um=0.1, y_um=0.1, z_um=step_um)
    return _header("Z", 5).model_copy(update={"optics": (optics,), "pixel_size_um": size})


def _header(axes: str, *lengths: int) -> ImageHeader:
    return ImageHeader(
        axes=f"{axes}YX",
        shape=(*lengths, 10, 10),
        dtype="uint16",
        planes=prod(lengths),
        height_px=10,
        width_px=10,
        pixel_size_um=None,
        channel_names=(),
        file_kind="tiff",
        decoded_bytes=0,
    )


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (_header("TZ", 2, 3), "beside each other along T help where"),
        (_header("Z", 5), "beside each other along Z help where"),
        (_header("P", 5), "none are neighbours in time or depth"),
        (_deep(0.3), "along Z, 0.3 µm apart, with a depth of field of 0.59 µm at most, help where"),
        (_deep(9.0), "do not help each other: along Z they are 9 µm apart, with a depth of field of 0.59 µm"),
    ],
)
def test_the_plan_says_whether_planes_are_neighbours(header: ImageHeader, told: str) -> None:
    extent = ImageExtent.of("img_1", header, header.planes)
    for preset in (Preset.INSTANT, Preset.BALANCED):
        assert told in plan(preset=preset, image=extent).steps[-1].why
    assert "neighbours" not in plan(preset=Preset.BALANCED).steps[-1].why
    assert told not in plan(prior=Prior.NONE, image=extent).steps[-1].why


@pytest.mark.parametrize(
    ("named", "imported", "used"),
    [(None, None, None), (None, "net_a", "net_a"), ("net_b", "net_a", "net_b"), ("packaged", "net_a", None)],
)
@pytest.mark.parametrize("part_pixels", [100, 1000])
def test_the_network_for_stacks_is_the_jobs_or_else_the_imported_one(
    named: str | None, imported: str | None, used: str | None, part_pixels: int
) -> None:
    numbers = itertools.count()
    spec = DenoiseSpec(image_ids=["img_1"], preset=Preset.INSTANT, pretrained_stack=named)
    image = ImageExtent.of("img_1", _header("T", 5), 5)
    known = KnownModels(profile="Scope / default", pretrained_stack_network_id=imported)
    extent = PredictionExtent([image], part_pixels)
    planned = plan_denoise(spec, known, extent, lambda: f"job_{next(numbers)}", correlation=INDEPENDENT)
    kinds = PredictSpec | ChooseEstimateSpec | PredictPartSpec
    predictions = [each.spec for each in planned.stages if isinstance(each.spec, kinds)]
    assert len(predictions) > 3 if part_pixels == 100 else len(predictions) == 1
    assert {each.pretrained_stack for each in predictions} == {used}
    assert {each.network for each in predictions} == {"pretrained"}
    assert (f"with the network {used}" in planned.steps[-1].why) is (used is not None)
    assert set().union(*map(networks_named, predictions)) == ({used} if used else set())
