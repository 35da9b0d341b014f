"""The spec of trainings: which fields each method requires and refuses."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field

from models_store.contracts.spec_parts import (
    HIDES_NOTHING,
    PRETRAINED,
    GroundTruthIds,
    Id,
    ImageIds,
    OneOfSeveral,
    PostedSpec,
    Reference,
    Seed,
    TrainingSpec,
    require_kind,
    where_named,
)
from models_store.contracts.vocabulary import (
    Method,
    Preset,
)

_DISTILLING = {"enum": [preset.value for preset in Preset if preset.distils]}


def _add_method_rules(schema: dict[str, Any]) -> None:
    """Describe in the JSON schema which fields each method requires and forbids."""
    require_kind(schema)
    schema["not"] = {"properties": {"preset": {"const": Preset.INSTANT.value}}, "required": ["preset"]}
    schema["allOf"] = [
        {
            "if": _of_methods(*methods),
            "then": {"properties": {field: {"not": {"type": "null"}}}, "required": [field]},
            "else": {"properties": {field: {"type": "null"}}},
        }
        for field, methods in NEEDED_BY.items()
    ]
    schema["allOf"] += [
        {
            "if": _of_methods(Method.CARE, Method.DISTILLED),
            "then": {"properties": {"structured_mask": {"type": "null"}, "teaches": {"const": False}}},
        },
        {
            "if": _of_methods(Method.DISTILLED),
            "then": {
                "properties": {
                    "preset": _DISTILLING,
                    "start": {"type": "null"},
                }
            },
            "else": {"properties": {"refit_noise_model": {"const": False}}},
        },
        {
            "if": {"properties": {"teaches": {"const": True}}, "required": ["teaches"]},
            "then": {"properties": {"preset": _DISTILLING, "structured_mask": HIDES_NOTHING}},
        },
        {
            "if": where_named("pretrained_stack"),
            "then": {
                "properties": {
                    "start": {"const": PRETRAINED},
                    "method": {"enum": [Method.N2V.value, Method.DISTILLED.value]},
                    "preset": {"not": {"const": Preset.PAPER.value}},
                    "budget": {"properties": {"features": {"type": "null"}}},
                },
                "required": ["start"],
            },
        },
    ]


def _of_methods(*methods: Method) -> dict[str, Any]:
    return {
        "properties": {"method": {"enum": [method.value for method in methods]}},
        "required": ["method"],
    }


NEEDED_BY: dict[str, tuple[Method, ...]] = {
    "noise_model": (Method.PN2V, Method.DISTILLED),
    "ground_truth_ids": (Method.CARE,),
    "teacher": (Method.DISTILLED,),
}
"""Fields that a training requires besides noisy images, with the methods that require them.

The other methods refuse these fields.
"""


def _require_trained_by_jobs(method: Method) -> Method:
    if method.is_imported:
        raise ValueError("pretrained networks are made by `clearscope pretrain`, not by jobs")
    return method


TrainedMethod = Annotated[
    Method,
    AfterValidator(_require_trained_by_jobs),
    Field(json_schema_extra={"not": {"enum": [method.value for method in Method if method.is_imported]}}),
]


class TrainSpec(TrainingSpec, PostedSpec):
    """A network for these images: N2V, PN2V with a noise model, CARE with ground truth, or a distilled one.

    A distilled network learns to reproduce a PN2V network's estimates under noise sampled anew at each step.
    """

    model_config = ConfigDict(json_schema_extra=_add_method_rules)

    kind: Literal["train"] = "train"
    image_ids: ImageIds
    method: TrainedMethod
    noise_model: Reference | None = None
    ground_truth_ids: GroundTruthIds | None = None
    teacher: Reference | None = Field(
        default=None,
        description="Distilled networks only: the PN2V network whose estimates it learns, or `pretrained`, "
        "or an imported network.",
    )
    refit_noise_model: bool = Field(
        default=False,
        strict=True,
        description="Distilled networks only: refit the noise model to the teacher's predictions.",
    )
    start: Reference | None = Field(
        default=None,
        description="Network whose weights initialise the training; `pretrained`, for N2V and distilled "
        "networks: the one that comes with ClearScope. An imported network starts what learns from it.",
    )
    pretrained_stack: Id | None = Field(
        default=None,
        description="Adapted networks only: id of an imported network that sees planes of stacks with their "
        "neighbours, which is adapted instead where they help. Default, and `packaged`: the one that comes "
        "with ClearScope.",
    )
    teaches: bool = Field(
        default=False,
        strict=True,
        description=(
            "N2V and PN2V only: a distilled network will learn from this one, so that fewer steps than the "
            "preset's suffice."
        ),
    )
    channel: OneOfSeveral = None
    seed: Seed = 0

    @property
    def recipe(self) -> str:
        return self.recipe_of(teaches=self.teaches)

    @property
    def adapts(self) -> bool:
        """Whether the training adapts a pretrained network to the images."""
        return self.start == PRETRAINED or (self.start is not None and self.start == self.teacher)

    def recipe_of(self, *, teaches: bool) -> str:
        recipe = super().recipe_of(teaches=teaches)
        return f"{recipe} {self.prior_word(str(self.start))}" if self.adapts else recipe
