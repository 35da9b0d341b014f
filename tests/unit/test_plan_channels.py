"""Plans of denoise jobs for images with several channels."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import channel_of, dependencies
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import AssembleSpec, PredictPartSpec
from models_store.contracts.spec_parts import MAX_CHANNELS
from models_store.contracts.vocabulary import NoiseModelOrigin, Reuse
from models_store.errors import FieldError, InvalidRequestError
from models_store.job_requests.channel_rules import channel_given, require_few_channels, require_one_channel
from models_store.job_requests.plan_channels import ChannelToDenoise, extent_of_channel, plan_channels
from models_store.job_requests.plane_ranges import MAX_RANGES
from models_store.job_requests.registered_models import KnownModels
from models_store.survey.survey import Survey, survey_planes
from tests.support.headers import header_of

CHANNELS = 3
HEADER = header_of("TCYX", (4, CHANNELS, 16, 20))
NOTHING = KnownModels(profile=None)


def plan(*known: KnownModels, reuse: Reuse = Reuse.NONE, part_planes: int = 1) -> Plan:
    numbers = itertools.count()
    extents = [
        extent_of_channel([("img_1", HEADER)], channel, part_planes * 16 * 20) for channel in range(CHANNELS)
    ]
    channels = [ChannelToDenoise(each, extent, None) for each, extent in zip(known, extents, strict=True)]
    return plan_channels(
        DenoiseSpec(image_ids=["img_1"], reuse=reuse), channels, lambda: f"job_{next(numbers)}"
    )


def test_no_stage_waits_for_another_channel_but_the_assembly() -> None:
    planned = plan(NOTHING, NOTHING, NOTHING)
    channels = {stage.job_id: channel_of(stage.spec) for stage in planned.stages}
    *stages, assembly = planned.stages
    for stage in stages:
        needed = {channels[job_id] for job_id in dependencies(stage.spec)}
        assert needed <= {channel_of(stage.spec)}
    assert isinstance(assembly.spec, AssembleSpec)
    parts = {
        stage.job_id: channel_of(stage.spec) for stage in stages if isinstance(stage.spec, PredictPartSpec)
    }
    assert {part.job: part.channel for part in assembly.spec.parts} == parts
    assert sorted(parts.values(), key=str) == [0] * 4 + [1] * 4 + [2] * 4
    assert sum(stage.weight for stage in planned.stages) == pytest.approx(1)


def test_each_channel_reuses_its_own_models() -> None:
    known = KnownModels(profile="Scope", noise_model_id="nm_1", pn2v_network_id="net_1")
    planned = plan(known, NOTHING, replace(known, pn2v_network_id="net_2"), reuse=Reuse.NETWORK)
    steps = {(step.channel, step.stage): (step.action, step.id) for step in planned.steps}
    assert [steps[channel, "pn2v"] for channel in range(CHANNELS)] == [
        ("reuse", "net_1"),
        ("compute", None),
        ("reuse", "net_2"),
    ]


def test_a_noise_model_for_all_channels_is_called_that_of_the_profile() -> None:
    known = KnownModels(
        profile="Scope, channel 1 of 3",
        noise_model_id="nm_1",
        noise_model_origin=NoiseModelOrigin.CALIBRATION,
        noise_model_profile="Scope",
    )
    planned = plan(known, replace(known, noise_model_profile=None), NOTHING, reuse=Reuse.CALIBRATION)
    shared, own, _ = (step.why for step in planned.steps if step.stage == "noise_model")
    assert shared == "the calibrated noise model of Scope"
    assert own == "the calibrated noise model of Scope, channel 1 of 3"


def test_only_the_channel_with_correlated_noise_is_not_distilled() -> None:
    noise = np.random.default_rng(2).normal(0, 9, (96, 97))
    surveys = [None, survey_planes([noise[:, 1:] + noise[:, :-1]]), survey_planes([noise])]
    planned = plan_surveyed(*surveys)
    actions = [step.action for step in planned.steps if step.stage == "distil"]
    assert actions == ["compute", "skip", "compute"]


def plan_surveyed(*surveys: Survey | None) -> Plan:
    numbers = itertools.count()
    channels = [
        ChannelToDenoise(NOTHING, extent_of_channel([("img_1", HEADER)], channel, 10**6), survey)
        for channel, survey in enumerate(surveys)
    ]
    return plan_channels(DenoiseSpec(image_ids=["img_1"]), channels, lambda: f"job_{next(numbers)}")


@pytest.mark.parametrize("value", [7.0, np.nan])
def test_an_empty_channel_has_no_stages(value: float) -> None:
    planned = plan_surveyed(None, survey_planes([np.full((32, 32), value)]), None)
    assert {channel_of(stage.spec) for stage in planned.stages} == {0, 2, None}
    assert sum(stage.weight for stage in planned.stages) == pytest.approx(1, abs=0.01)
    steps = [step for step in planned.steps if step.channel == 1]
    assert [step.stage for step in steps] == ["n2v", "noise_model", "pn2v", "distil", "predict"]
    assert {step.action for step in steps} == {"skip"}
    assert "empty" in steps[0].why


def test_an_image_of_empty_channels_is_refused() -> None:
    empty = survey_planes([np.zeros((32, 32))])
    with pytest.raises(InvalidRequestError, match="every channel is empty"):
        plan_surveyed(empty, empty, empty)


def test_all_channels_together_have_no_more_parts_than_a_single_image() -> None:
    header = header_of("CTYX", (10, 500, 16, 20))
    extent = extent_of_channel([("img_1", header)], 9, 1)
    assert 10 * extent.max_parts == MAX_RANGES
    assert extent.planes == 500


def test_the_choices_are_named_as_far_as_they_can_be_read() -> None:
    for header, choices in (
        (header_of("CYX", (2, 16, 16), ("DAPI", "GFP")), r"0 \(DAPI\) or 1 \(GFP\)"),
        (header_of("CYX", (50, 16, 16)), "0 to 49"),
    ):
        for channel in (None, 60):
            with pytest.raises(FieldError, match=rf"^channel: a\.tif has .*name {choices}$"):
                require_one_channel({"a.tif": header}, channel)
    require_one_channel({"a.tif": header_of("TYX", (2, 16, 16))}, None)


@pytest.mark.parametrize(("text", "channel"), [("GFP", 1), ("0", 0), ("2", 2), ("1", 1)])
def test_a_command_names_a_channel_by_name_or_index(text: str, channel: int) -> None:
    named, numbered = (
        header_of("CYX", (3, 16, 16), names) for names in (("DAPI", "GFP", "Cy5"), ("2", "1", "0"))
    )
    assert channel_given("a.tif", named, text) == channel
    if text.isdecimal():
        assert channel_given("a.tif", numbered, text) == 2 - channel


def test_a_file_of_too_many_channels_is_refused_and_its_axes_shown() -> None:
    require_few_channels("a.tif", header_of("ZCYX", (2, MAX_CHANNELS, 16, 16)))
    with pytest.raises(
        InvalidRequestError, match=r"a.tif has 101 channels.*correct the file's axes \(ZCYX\)"
    ):
        require_few_channels("a.tif", header_of("ZCYX", (2, MAX_CHANNELS + 1, 16, 16)))
