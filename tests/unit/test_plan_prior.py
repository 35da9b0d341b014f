"""Plans of denoise jobs that start from the pretrained network, and of those that do not."""

import itertools
from math import prod
from typing import Any

import pytest

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.spec_parts import MadeByJob, StructuredMask, TrainingBudget
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Output, Preset, Prior, Reuse
from models_store.image_files.header import ImageHeader
from models_store.job_requests.plan_denoise import plan_denoise
from models_store.job_requests.plan_prediction import PredictionExtent
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.registered_models import KnownModels
from models_store.survey.correlation import NeighbourCorrelation

INDEPENDENT = NeighbourCorrelation(0.0, 0.0, 0.01, 0.01, 0.01)
CORRELATED = NeighbourCorrelation(0.4, 0.4, 0.01, 0.01, 0.01)
ONE_PLANE = ImageExtent("img_1", planes=1, plane_px=100)


def plan(
    correlation: NeighbourCorrelation | None = INDEPENDENT,
    image: ImageExtent = ONE_PLANE,
    **fields: Any,
) -> Plan:
    numbers = itertools.count()
    spec = DenoiseSpec(image_ids=["img_1"], **fields)
    extent = PredictionExtent([image], part_pixels=1000)
    known = KnownModels(profile="Scope / default")
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
        ({"reuse": Reuse.NETWORK}, "the job reuses networks"),
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
    ],
)
def test_the_plan_says_whether_planes_are_neighbours(header: ImageHeader, told: str) -> None:
    extent = ImageExtent.of("img_1", header, header.planes)
    for preset in (Preset.INSTANT, Preset.BALANCED):
        assert told in plan(preset=preset, image=extent).steps[-1].why
    assert "neighbours" not in plan(preset=Preset.BALANCED).steps[-1].why
    assert told not in plan(prior=Prior.NONE, image=extent).steps[-1].why
