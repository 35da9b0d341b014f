"""Specs of predictions: the posted job, and the stages of a divided one."""

from typing import Annotated, Literal

from pydantic import Field

from models_store.contracts.spec_parts import (
    Channel,
    Force,
    Id,
    ImageIds,
    KeepHotPixels,
    MadeByJob,
    Outputs,
    PartOfPrediction,
    PostedSpec,
    Reference,
    ReferencesOfChannels,
    ResultFiles,
    Seed,
    Spec,
)
from models_store.contracts.vocabulary import Output


class _WithNetworks(Spec):
    image_ids: ImageIds
    network: Reference
    compare_with: Reference | None = Field(
        default=None, description="N2V network to compare with; the better result is delivered."
    )
    distilled: Reference | None = Field(
        default=None, description="Network distilled from `network`; its result is compared too."
    )
    pretrained_stack: Id | None = Field(
        default=None,
        description="Pretrained `network` only: id of an imported network that sees planes of stacks with "
        "their neighbours, whose result is compared. Default, and `packaged`: the one that comes with "
        "ClearScope.",
    )


class PredictSpec(_WithNetworks, ResultFiles, PostedSpec):
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
    keep_hot_pixels: KeepHotPixels = False
    force: Force = False
    seed: Seed = 0


class ChooseEstimateSpec(_WithNetworks):
    """The choices that a split prediction makes once, from all images: noise model and estimate."""

    kind: Literal["choose_estimate"] = "choose_estimate"
    noise_model: Reference | None = None
    refit_noise_model: bool
    channel: Channel | None = None
    outputs: Outputs = (Output.DENOISED, Output.POSTERIOR_STD)
    """Of the parts: only deviations that somebody asked for are scaled."""
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


class AssembleSpec(ResultFiles):
    """The result files of a split prediction, assembled from its parts; those of a channel are in order."""

    kind: Literal["assemble"] = "assemble"
    image_ids: ImageIds
    parts: tuple[PartOfPrediction, ...]
    only_channel: Channel | None = None
    """The only channel that the job was asked to denoise; None: all."""
