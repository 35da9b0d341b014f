"""The spec of denoise jobs."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from models_store.contracts.moments import Moment
from models_store.contracts.spec_parts import (
    HIDES_NOTHING,
    PACKAGED,
    PRETRAINED,
    Channel,
    Force,
    Id,
    IdsOfChannels,
    ImageIds,
    KeepHotPixels,
    Outputs,
    PostedSpec,
    ResultFiles,
    Seed,
    TrainingBudget,
    TrainingSpec,
    require_kind,
    where_named,
)
from models_store.contracts.vocabulary import (
    NoiseModelKind,
    Output,
    Preset,
    Prior,
    Reuse,
)

OF_INSTANT = (Output.DENOISED, Output.POSTERIOR_STD)
"""Outputs of the preset `instant`: the pretrained network has no prior."""
_NOTHING_CHOSEN = {"properties": {name: {"type": "null"} for name in TrainingBudget.model_fields}}


def _add_pretrained_rules(schema: dict[str, Any]) -> None:
    """Describe in the JSON schema what goes with `instant`, and with a named prior or network."""
    require_kind(schema)
    schema["if"] = {"properties": {"preset": {"const": Preset.INSTANT.value}}, "required": ["preset"]}
    without_training = {
        "budget": _NOTHING_CHOSEN,
        "structured_mask": HIDES_NOTHING,
        "outputs": {"items": {"enum": [output.value for output in OF_INSTANT]}},
    }
    schema["then"] = {"properties": without_training | {"prior": {"not": {"const": Prior.NONE.value}}}}
    says_pretrained = {"properties": {"prior": {"const": Prior.PRETRAINED.value}}, "required": ["prior"]}
    of_adapting = {
        "preset": {"not": {"const": Preset.PAPER.value}},
        "prior": {"not": {"const": Prior.NONE.value}},
    }
    schema["else"] = {
        "if": {"anyOf": [says_pretrained, where_named("pretrained"), where_named("pretrained_stack")]},
        "then": {"properties": without_training | of_adapting},
    }


class DenoiseSpec(TrainingSpec, ResultFiles, PostedSpec):
    """Denoised images from noisy ones alone: the whole pipeline.

    Channels have networks and noise models of their own; positions, times and focus share them.
    """

    model_config = ConfigDict(json_schema_extra=_add_pretrained_rules)

    kind: Literal["denoise"] = "denoise"
    image_ids: ImageIds
    channel: Channel | None = Field(
        default=None,
        description="Index along the axis C, from 0: only this channel is denoised, and the result has the "
        "planes of the others as they are. Default: each channel, as if it were alone.",
    )
    prior: Prior | None = Field(
        default=None,
        description="Where training starts: from the network that comes with ClearScope, or from nothing. "
        "Default: the presets fast and balanced adapt that network to the images, unless their noise "
        "correlates, or the job has a budget or a structured mask, asks for PN2V's estimates, or reuses a "
        "network that was trained from nothing.",
    )
    pretrained: Id | None = Field(
        default=None,
        description="Id of an imported network to use in place of the one that comes with ClearScope; "
        "`packaged` names the latter. Default: the newest that was imported for the images' profile or "
        "microscope, if there is one.",
    )
    pretrained_stack: Id | None = Field(
        default=None,
        description="The same of the network that sees planes of stacks with their neighbours and competes "
        "with the other: id of an imported one, or `packaged`. The two are chosen independently.",
    )
    reuse: Reuse = Field(
        default=Reuse.CALIBRATION,
        description="Models of the images' microscope and profile that may be reused, each value adding to "
        "the one before: none; a noise model that was calibrated, imported or pooled; also a bootstrapped "
        "one; also a network, trained from nothing or adapted to other images.",
    )
    noise_model: Id | IdsOfChannels | None = Field(
        default=None,
        description="Noise model to use instead of a bootstrapped or active one: one for all channels, or a "
        "list with one for each. A channel whose entry is null has a bootstrapped or active one.",
    )
    noise_model_at: Moment | None = Field(
        default=None,
        description="Use the noise model that was active at this time, such as when the images were taken, "
        "whatever its origin. A noise model that the job names wins.",
    )
    noise_model_kind: NoiseModelKind | None = Field(
        default=None,
        description=(
            "Kind of the noise model that is bootstrapped or reused. Default: the active model's kind if one "
            "is reused, gmm if one is bootstrapped."
        ),
    )
    outputs: Outputs = (Output.DENOISED, Output.POSTERIOR_STD)
    keep_hot_pixels: KeepHotPixels = False
    force: Force = False
    seed: Seed = 0

    def network_to_adapt(self, imported: str | None) -> str:
        """Return the pretrained network of the job. `imported`: id of the newest one of its microscope."""
        named = self.pretrained or imported
        return PRETRAINED if named in {None, PACKAGED} else str(named)

    def recipe_adapting(self, imported: str | None) -> str:
        """Return the recipe of networks adapted from the pretrained network of the job."""
        return f"{self.recipe} {self.prior_word(self.network_to_adapt(imported))}"
