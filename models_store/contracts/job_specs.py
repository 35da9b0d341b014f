"""Job specs: a union discriminated by `kind`.

Users post a `JobSpec`. A prediction of many planes is split into stages of further kinds, which only the
planner creates.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from models_store.contracts.evaluation import EvaluateSpec, UploadedResults
from models_store.contracts.spec_parts import (
    PACKAGED,
    PRETRAINED,
    Channel,
    ChannelLabel,
    GroundTruthIds,
    Id,
    IdsOfChannels,
    ImageIds,
    KeepHotPixels,
    MadeByJob,
    OneOfSeveral,
    Outputs,
    PartOfPrediction,
    PostedSpec,
    Reference,
    ReferencesOfChannels,
    Seed,
    Spec,
    TrainingBudget,
    TrainingSpec,
    require_kind,
)
from models_store.contracts.vocabulary import (
    Method,
    NoiseModelKind,
    Output,
    OutputDtype,
    Preset,
    Prior,
    Queue,
    Reuse,
)

_HIDES_NOTHING = {"anyOf": [{"type": "null"}, {"properties": {"y_px": {"const": 0}, "x_px": {"const": 0}}}]}

OF_INSTANT = (Output.DENOISED, Output.POSTERIOR_STD)
"""Outputs of the preset `instant`: the pretrained network has no prior."""
_NOTHING_CHOSEN = {"properties": {name: {"type": "null"} for name in TrainingBudget.model_fields}}


def _add_pretrained_rules(schema: dict[str, Any]) -> None:
    """Describe in the JSON schema what goes with `instant`, and with a prior that the job names."""
    require_kind(schema)
    schema["if"] = {"properties": {"preset": {"const": Preset.INSTANT.value}}, "required": ["preset"]}
    without_training = {
        "budget": _NOTHING_CHOSEN,
        "structured_mask": _HIDES_NOTHING,
        "outputs": {"items": {"enum": [output.value for output in OF_INSTANT]}},
    }
    schema["then"] = {"properties": without_training | {"prior": {"not": {"const": Prior.NONE.value}}}}
    schema["else"] = {
        "if": {"properties": {"prior": {"const": Prior.PRETRAINED.value}}, "required": ["prior"]},
        "then": {
            "properties": without_training
            | {
                "preset": {"not": {"const": Preset.PAPER.value}},
                "reuse": {"not": {"const": Reuse.NETWORK.value}},
            }
        },
    }


class DenoiseSpec(TrainingSpec, PostedSpec):
    """Denoised images from noisy ones alone: the whole pipeline.

    Channels have networks and noise models of their own; positions, times and focus share them.
    """

    model_config = ConfigDict(json_schema_extra=_add_pretrained_rules)

    kind: Literal["denoise"] = "denoise"
    image_ids: ImageIds
    prior: Prior | None = Field(
        default=None,
        description="Where training starts: from the network that comes with ClearScope, or from nothing. "
        "Default: the presets fast and balanced adapt that network to the images, unless their noise "
        "correlates, or the job has a budget or a structured mask, reuses networks, or asks for PN2V's "
        "estimates.",
    )
    pretrained: Id | None = Field(
        default=None,
        description="Id of an imported network to use in place of the one that comes with ClearScope; "
        "`packaged` names the latter. Default: the newest that was imported for the images' profile or "
        "microscope, if there is one.",
    )
    reuse: Reuse = Field(
        default=Reuse.CALIBRATION,
        description="Models of the images' microscope and profile that may be reused, each value adding to "
        "the one before: none; a noise model that was calibrated or imported; also a bootstrapped one; also "
        "a network.",
    )
    noise_model: Id | IdsOfChannels | None = Field(
        default=None,
        description="Noise model to use instead of a bootstrapped or active one: one for all channels, or a "
        "list with one for each. A channel whose entry is null has a bootstrapped or active one.",
    )
    noise_model_kind: NoiseModelKind | None = Field(
        default=None,
        description=(
            "Kind of the noise model that is bootstrapped or reused. Default: the active model's kind if one "
            "is reused, gmm if one is bootstrapped."
        ),
    )
    outputs: Outputs = (Output.DENOISED, Output.POSTERIOR_STD)
    output_dtype: OutputDtype = OutputDtype.FLOAT32
    keep_hot_pixels: KeepHotPixels = False
    seed: Seed = 0


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
"""Fields that a training requires besides noisy images, with the methods that require them.

The other methods refuse these fields.
"""


def _require_trained_by_jobs(method: Method) -> Method:
    if method is Method.PRETRAINED:
        raise ValueError("pretrained networks are made by `clearscope pretrain`, not by jobs")
    return method


TrainedMethod = Annotated[
    Method,
    AfterValidator(_require_trained_by_jobs),
    Field(json_schema_extra={"not": {"const": Method.PRETRAINED.value}}),
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
        if not self.adapts:
            return recipe
        imported = "" if self.start == PRETRAINED else f":{self.start}"
        return f"{recipe} prior={self.preset.adaptation_digest}{imported}"


class BootstrapNoiseModelSpec(PostedSpec):
    """A noise model from noisy images and a network whose predictions serve as pseudo ground truth."""

    kind: Literal["bootstrap_noise_model"] = "bootstrap_noise_model"
    image_ids: ImageIds
    network: Reference
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    channel: OneOfSeveral = None
    seed: Seed = 0


class FitNoiseModelSpec(PostedSpec):
    """A noise model from calibration images: frames of static scenes, whose mean estimates the signal.

    The images have the role `calibration`. Each stack is a scene; all single-plane images together are the
    frames of one more. The noise model becomes the active one of the images' microscope and profile.
    """

    kind: Literal["fit_noise_model"] = "fit_noise_model"
    image_ids: ImageIds
    data_image_ids: ImageIds | None = Field(
        default=None,
        description="Images that will be denoised (role `data`): they set the range of a histogram, and the "
        "calibration must cover their signals.",
    )
    for_channel: ChannelLabel | None = Field(
        default=None,
        description="Name of the channel, of several, that was recorded with these settings, or else its "
        "index, from 0. Default: the noise model is for all channels.",
    )
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    seed: Seed = 0


class CheckNoiseModelSpec(PostedSpec):
    """A check of how well a noise model describes images; read-only.

    Images of the role `calibration` estimate the signal themselves, as in `fit_noise_model`; others need a
    network.
    """

    kind: Literal["check_noise_model"] = "check_noise_model"
    image_ids: ImageIds
    noise_model: Reference
    network: Reference | None = Field(
        default=None,
        description="N2V or PN2V network whose prediction (PN2V: prior mean) is the signal of images of the "
        "role `data`.",
    )
    channel: OneOfSeveral = None


class _WithNetworks(Spec):
    image_ids: ImageIds
    network: Reference
    compare_with: Reference | None = Field(
        default=None, description="N2V network to compare with; the better result is delivered."
    )
    distilled: Reference | None = Field(
        default=None, description="Network distilled from `network`; its result is compared too."
    )


class PredictSpec(_WithNetworks, PostedSpec):
    """Denoised images from a trained network.

    Of images with several channels, each is denoised as if it were alone: a noise model, the choice of the
    estimate and figures of its own.
    """

    kind: Literal["predict"] = "predict"
    noise_model: Reference | ReferencesOfChannels | None = Field(
        default=None,
        description="Noise model of the images: one for all channels, or a list with one for each. Default, "
        "also for a channel whose entry is null: the one that the network was trained with; of the "
        "pretrained network, a bootstrapped one.",
    )
    channel: Channel | None = Field(
        default=None,
        description="Index along the axis C, from 0: only this channel is denoised, and the result has the "
        "planes of the others as they are. Default: each channel, as if it were alone.",
    )
    refit_noise_model: bool = Field(
        default=False, strict=True, description="Refit the noise model to this network's predictions."
    )
    outputs: Outputs = (Output.DENOISED, Output.POSTERIOR_STD)
    output_dtype: OutputDtype = OutputDtype.FLOAT32
    keep_hot_pixels: KeepHotPixels = False
    seed: Seed = 0


class RefitNoiseModelSpec(Spec):
    """A bootstrapped noise model, refitted to a better network's predictions."""

    kind: Literal["refit_noise_model"] = "refit_noise_model"
    image_ids: ImageIds
    network: Reference
    noise_model: Reference
    channel: Channel | None = None
    seed: Seed


class ChooseEstimateSpec(_WithNetworks):
    """The choices that a split prediction makes once, from all images: noise model and estimate."""

    kind: Literal["choose_estimate"] = "choose_estimate"
    noise_model: Reference | None = None
    refit_noise_model: bool
    channel: Channel | None = None
    seed: Seed


class PredictPartSpec(_WithNetworks):
    """Consecutive planes of a prediction, starting at `first_plane` of the first image.

    With a channel, planes are those of the channel alone, and counted among them.
    """

    kind: Literal["predict_part"] = "predict_part"
    noise_model: Reference | None = None
    channel: Channel | None = None
    first_plane: Annotated[int, Field(ge=0)]
    planes: Annotated[int, Field(ge=1)]
    outputs: Outputs
    keep_hot_pixels: KeepHotPixels = False
    choice: MadeByJob


class AssembleSpec(Spec):
    """The result files of a split prediction, assembled from its parts; those of a channel are in order."""

    kind: Literal["assemble"] = "assemble"
    image_ids: ImageIds
    parts: tuple[PartOfPrediction, ...]
    only_channel: Channel | None = None
    """The only channel that the job was asked to denoise; None: all."""
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
    """Return the ids of the jobs whose results a job needs."""
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
    """Return the ids of the images that a job reads, without duplicates."""
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
    """Return the ids of the networks that a spec names directly, not through the job that makes them."""
    return _named(spec, "network", "pretrained", "start", "teacher", "compare_with", "distilled")


def noise_models_named(spec: StoredSpec) -> set[str]:
    """Return the ids of the noise models that a spec names directly."""
    return _named(spec, "noise_model")


def _named(spec: StoredSpec, *fields: str) -> set[str]:
    values = (getattr(spec, field, None) for field in fields)
    references = chain.from_iterable(value if isinstance(value, tuple) else (value,) for value in values)
    return {reference for reference in references if isinstance(reference, str)} - {PRETRAINED, PACKAGED}


def channel_of(spec: BaseModel) -> int | None:
    """Return the index of the only channel whose planes a job reads; None: it reads all planes."""
    match spec:
        case (
            TrainSpec()
            | BootstrapNoiseModelSpec()
            | CheckNoiseModelSpec()
            | RefitNoiseModelSpec()
            | ChooseEstimateSpec()
            | PredictPartSpec()
        ):
            return spec.channel
        case _:
            return None


def queue_of(spec: StoredSpec) -> Queue:
    """Return the queue of a job: GPU for training and prediction, CPU for jobs that compute little."""
    fits = BootstrapNoiseModelSpec | CalibrationSpec
    return Queue.CPU if isinstance(spec, DenoiseSpec | fits | AssembleSpec | EvaluateSpec) else Queue.GPU
