"""What a job is asked to do: a union on `kind`.

Users post a `JobSpec`. A prediction of many planes is divided into stages of further kinds, which only the
planner makes.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from models_store.contracts.evaluation import EvaluateSpec, UploadedResults
from models_store.contracts.spec_parts import (
    GroundTruthIds,
    Id,
    ImageIds,
    MadeByJob,
    Outputs,
    PostedSpec,
    Reference,
    Seed,
    Spec,
    TrainingSpec,
    require_kind,
)
from models_store.contracts.vocabulary import (
    Method,
    NoiseModelKind,
    Output,
    OutputDtype,
    Preset,
    Queue,
    Reuse,
)


class DenoiseSpec(TrainingSpec, PostedSpec):
    """Denoised images from noisy ones, and nothing else: the whole path."""

    kind: Literal["denoise"] = "denoise"
    image_ids: ImageIds
    reuse: Reuse = Field(
        default=Reuse.CALIBRATION,
        description="What may be taken from the registry of the images' microscope and profile: nothing, a "
        "noise model that was calibrated or imported, also one that a job bootstrapped, also a network.",
    )
    noise_model: Id | None = Field(default=None, description="Use this one instead of a bootstrapped one.")
    noise_model_kind: NoiseModelKind | None = Field(
        default=None,
        description=(
            "Of the noise model that is bootstrapped or reused. Left out: whichever is active where one is "
            "reused, a gmm where one is bootstrapped."
        ),
    )
    outputs: Outputs = (Output.DENOISED, Output.POSTERIOR_STD)
    output_dtype: OutputDtype = OutputDtype.FLOAT32
    seed: Seed = 0


_DISTILLING = {"enum": [preset.value for preset in Preset if preset.distils]}
_HIDES_NOTHING = {"anyOf": [{"type": "null"}, {"properties": {"y_px": {"const": 0}, "x_px": {"const": 0}}}]}


def _require_what_the_method_needs(schema: dict[str, Any]) -> None:
    require_kind(schema)
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
            "then": {"properties": {"preset": _DISTILLING, "structured_mask": _HIDES_NOTHING}},
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
"""What a training needs besides noisy images, by method; the others take none of it."""


class TrainSpec(TrainingSpec, PostedSpec):
    """A network for these images: N2V, PN2V with a noise model, CARE with ground truth, or a distilled one.

    A distilled network learns to find a PN2V network's estimates again under noise drawn at each step.
    """

    model_config = ConfigDict(json_schema_extra=_require_what_the_method_needs)

    kind: Literal["train"] = "train"
    image_ids: ImageIds
    method: Method
    noise_model: Reference | None = None
    ground_truth_ids: GroundTruthIds | None = None
    teacher: Reference | None = Field(
        default=None, description="Of a distilled network: the PN2V network whose estimates it learns."
    )
    refit_noise_model: bool = Field(
        default=False,
        strict=True,
        description="Of a distilled network: fit the noise model again, to the teacher's predictions.",
    )
    start: Reference | None = Field(default=None, description="Weights to start the training from.")
    teaches: bool = Field(
        default=False,
        strict=True,
        description=(
            "Of N2V and PN2V: a distilled network will learn from it, so that fewer of the preset's steps do."
        ),
    )
    seed: Seed = 0

    @property
    def recipe(self) -> str:
        return self.recipe_of(teaches=self.teaches)


class BootstrapNoiseModelSpec(PostedSpec):
    """A noise model from noisy images and a network that gives the pseudo ground truth."""

    kind: Literal["bootstrap_noise_model"] = "bootstrap_noise_model"
    image_ids: ImageIds
    network: Reference
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    seed: Seed = 0


class FitNoiseModelSpec(PostedSpec):
    """A noise model from calibrations: frames of static scenes, whose mean stands in for the signal.

    The images have the role `calibration`. Each stack is a scene; images of a single plane are together the
    frames of one more. The noise model becomes the active one of the images' microscope and profile.
    """

    kind: Literal["fit_noise_model"] = "fit_noise_model"
    image_ids: ImageIds
    data_image_ids: ImageIds | None = Field(
        default=None,
        description="Images that will be denoised (role `data`): they give a histogram its range, and the "
        "calibration has to cover their signals.",
    )
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    seed: Seed = 0


class CheckNoiseModelSpec(PostedSpec):
    """Does a noise model describe these images? Nothing is changed by it.

    Images of the role `calibration` are their own signal, as in `fit_noise_model`; others need a network.
    """

    kind: Literal["check_noise_model"] = "check_noise_model"
    image_ids: ImageIds
    noise_model: Reference
    network: Reference | None = Field(
        default=None, description="Gives the signal of images of the role `data`; N2V, or PN2V's prior mean."
    )


class _WithNetworks(Spec):
    image_ids: ImageIds
    network: Reference
    noise_model: Reference | None = None
    compare_with: Reference | None = Field(
        default=None, description="An N2V network; the better of the two results is delivered."
    )
    distilled: Reference | None = Field(
        default=None, description="A network distilled from `network`; its result competes too."
    )


class PredictSpec(_WithNetworks, PostedSpec):
    """Denoised images from a trained network."""

    kind: Literal["predict"] = "predict"
    refit_noise_model: bool = Field(
        default=False, strict=True, description="Fit the noise model again, to this network's predictions."
    )
    outputs: Outputs = (Output.DENOISED, Output.POSTERIOR_STD)
    output_dtype: OutputDtype = OutputDtype.FLOAT32
    seed: Seed = 0


class RefitNoiseModelSpec(Spec):
    """The noise model that was bootstrapped, fitted again to a better network's predictions."""

    kind: Literal["refit_noise_model"] = "refit_noise_model"
    image_ids: ImageIds
    network: Reference
    noise_model: Reference
    seed: Seed


class ChooseEstimateSpec(_WithNetworks):
    """What a divided prediction decides once, from all images: noise model and estimate."""

    kind: Literal["choose_estimate"] = "choose_estimate"
    refit_noise_model: bool
    seed: Seed


class PredictPartSpec(_WithNetworks):
    """Some of a prediction's planes: consecutive ones, from `first_plane` of the first image on."""

    kind: Literal["predict_part"] = "predict_part"
    first_plane: Annotated[int, Field(ge=0)]
    planes: Annotated[int, Field(ge=1)]
    outputs: Outputs
    choice: MadeByJob


class AssembleSpec(Spec):
    """The files of a divided prediction, from its parts in their order."""

    kind: Literal["assemble"] = "assemble"
    image_ids: ImageIds
    parts: tuple[MadeByJob, ...]
    output_dtype: OutputDtype


CalibrationSpec = FitNoiseModelSpec | CheckNoiseModelSpec
JobSpec = Annotated[
    DenoiseSpec | TrainSpec | BootstrapNoiseModelSpec | CalibrationSpec | PredictSpec | EvaluateSpec,
    Field(discriminator="kind"),
]
PredictionStageSpec = PredictSpec | ChooseEstimateSpec | PredictPartSpec | AssembleSpec
StageSpec = TrainSpec | BootstrapNoiseModelSpec | RefitNoiseModelSpec | PredictionStageSpec
StoredSpec = Annotated[DenoiseSpec | CalibrationSpec | EvaluateSpec | StageSpec, Field(discriminator="kind")]

job_spec: TypeAdapter[JobSpec] = TypeAdapter(JobSpec)
stored_spec: TypeAdapter[StoredSpec] = TypeAdapter(StoredSpec)


def dependencies(spec: StoredSpec) -> set[str]:
    """Ids of the jobs whose results this one needs."""
    return {reference.job for reference in _references(spec)}


def _references(value: object) -> Iterator[MadeByJob]:
    if isinstance(value, MadeByJob):
        yield value
    elif isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _references(getattr(value, field))
    elif isinstance(value, tuple):
        for each in value:
            yield from _references(each)


def images_read(spec: StoredSpec) -> list[str]:
    """Ids of the images that a job reads, each once."""
    match spec:
        case EvaluateSpec():
            runs = [run for candidate in spec.candidates for run in candidate.runs]
            uploaded = [run.image_ids for run in runs if isinstance(run, UploadedResults)]
            image_ids = [spec.ground_truth_ids, *uploaded]
        case TrainSpec():
            image_ids = [spec.image_ids, spec.ground_truth_ids or []]
        case FitNoiseModelSpec():
            image_ids = [spec.image_ids, spec.data_image_ids or []]
        case _:
            image_ids = [spec.image_ids]
    return list(dict.fromkeys(chain.from_iterable(image_ids)))


def networks_named(spec: StoredSpec) -> set[str]:
    """Ids of the networks that a job names itself, not by the job that makes them."""
    return _named(spec, "network", "start", "teacher", "compare_with", "distilled")


def noise_models_named(spec: StoredSpec) -> set[str]:
    """Ids of the noise models that a job names itself."""
    return _named(spec, "noise_model")


def _named(spec: StoredSpec, *fields: str) -> set[str]:
    references = (getattr(spec, field, None) for field in fields)
    return {reference for reference in references if isinstance(reference, str)}


def queue_of(spec: StoredSpec) -> Queue:
    """Training and prediction want a GPU; what computes little leaves it to others."""
    fits = BootstrapNoiseModelSpec | CalibrationSpec
    return Queue.CPU if isinstance(spec, DenoiseSpec | fits | AssembleSpec | EvaluateSpec) else Queue.GPU
