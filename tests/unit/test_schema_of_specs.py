"""The JSON schema of jobs refuses what their rules refuse, as far as fields depend on each other."""

from typing import Any

import jsonschema_rs
import pytest

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.train_spec import TrainSpec
from models_store.errors import FieldError
from models_store.job_requests.prior_rule import require_what_the_prior_needs
from models_store.job_requests.training_rules import (
    require_what_the_method_needs,
    require_what_the_preset_needs,
)

IMAGES = {"image_ids": ["img_1"]}
ADAPTED = {"start": "pretrained", "pretrained_stack": "net_1"}


def _is_valid(spec: type[DenoiseSpec | TrainSpec], document: dict[str, Any]) -> bool:
    return jsonschema_rs.is_valid(spec.model_json_schema(), document)


@pytest.mark.parametrize("preset", ["instant", "fast", "paper"])
@pytest.mark.parametrize("prior", [None, "none", "pretrained"])
@pytest.mark.parametrize("network", [{}, {"pretrained": "net_1"}, {"pretrained_stack": "net_1"}])
@pytest.mark.parametrize("more", [{}, {"outputs": ["mmse"]}])
def test_what_goes_with_a_prior(
    preset: str, prior: str | None, network: dict[str, Any], more: dict[str, Any]
) -> None:
    document = {"kind": "denoise", "preset": preset, "prior": prior, **IMAGES, **network, **more}
    spec = DenoiseSpec.model_validate(document)
    try:
        require_what_the_preset_needs(spec)
        require_what_the_prior_needs(spec)
    except FieldError:
        assert not _is_valid(DenoiseSpec, document)
    else:
        assert _is_valid(DenoiseSpec, document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        ADAPTED,
        {"pretrained_stack": "net_1"},
        ADAPTED | {"preset": "paper"},
        ADAPTED | {"budget": {"features": 4}},
        ADAPTED | {"budget": {"steps": 4}},
        ADAPTED | {"method": "care", "ground_truth_ids": ["img_2"]},
    ],
)
def test_what_goes_with_a_network_for_stacks(document: dict[str, Any]) -> None:
    document = {"kind": "train", "method": "n2v", **IMAGES, **document}
    spec = TrainSpec.model_validate(document)
    try:
        require_what_the_method_needs(spec)
    except FieldError:
        assert not _is_valid(TrainSpec, document)
    else:
        assert _is_valid(TrainSpec, document)
