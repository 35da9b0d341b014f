"""A recipe identifies everything that determines a network."""

from dataclasses import fields, replace
from typing import Any

import pytest

from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Method, Preset
from worker.engine.networks.pretrained import packaged_network
from worker.engine.training import presets
from worker.engine.training.presets import PRESETS


@pytest.mark.parametrize("preset", [preset for preset in Preset if preset.trains])
def test_the_digest_in_recipes_is_that_of_the_presets_numbers(preset: Preset) -> None:
    assert preset.digest == PRESETS[preset].digest(), "a preset has changed: enter its new digest"


@pytest.mark.parametrize("preset", [preset for preset in Preset if preset.trains])
def test_the_digest_of_adapted_networks_is_that_of_the_prior_and_its_numbers(preset: Preset) -> None:
    adaptation = PRESETS[preset].adaptation
    digest = adaptation.digest(packaged_network().digest) if adaptation else None
    assert preset.adaptation_digest == digest, "an adaptation has changed: enter its new digest"


def test_an_adapted_network_is_of_another_recipe() -> None:
    spec = TrainSpec(image_ids=["img_1"], method=Method.DISTILLED, noise_model="nm_1", teacher="net_1")
    adapted = spec.model_copy(update={"teacher": "pretrained", "start": "pretrained"})
    assert adapted.recipe == f"{spec.recipe} prior={Preset.BALANCED.adaptation_digest}"


def test_any_other_number_makes_another_recipe() -> None:
    preset = PRESETS[Preset.BALANCED]
    for field in fields(preset):
        value: Any = getattr(preset, field.name)
        other: Any = f"{value}!" if isinstance(value, str) else not value if isinstance(value, bool) else 7777
        same = field.name in {"name", "patches_at_once", "symmetries", "adaptation"}
        assert (replace(preset, **{field.name: other}).digest() == preset.digest()) is same, field.name


def test_other_networks_of_the_same_numbers_are_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = PRESETS[Preset.FAST].digest()
    monkeypatch.setattr(presets, "NETWORKS_VERSION", presets.NETWORKS_VERSION + 1)
    assert PRESETS[Preset.FAST].digest() != before
