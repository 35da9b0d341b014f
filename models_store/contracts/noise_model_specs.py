"""Specs of jobs that make or check noise models."""

from typing import Literal

from pydantic import Field

from models_store.contracts.moments import Moment
from models_store.contracts.spec_parts import (
    Channel,
    ChannelLabel,
    ImageIds,
    Name,
    OneOfSeveral,
    PostedSpec,
    Reference,
    Seed,
    Spec,
)
from models_store.contracts.vocabulary import (
    NoiseModelKind,
)

DARK_IMAGES = Field(
    default=None,
    description="Frames without any light (role `calibration`), as a stack or as separate images, with the "
    "exposure of the others: they tell offset and read noise apart.",
)


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
    dark_image_ids: ImageIds | None = DARK_IMAGES
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    seed: Seed = 0


class CheckNoiseModelSpec(PostedSpec):
    """A check of a noise model and its camera: of drift, and of how well the model describes images.

    Images of the role `calibration` estimate the signal themselves, as in `fit_noise_model`. Others tell gain
    and offset by the noise of neighbouring pixels; with a network, they also tell the model's distributions.
    A camera that has drifted marks the noise model.
    """

    kind: Literal["check_noise_model"] = "check_noise_model"
    image_ids: ImageIds
    dark_image_ids: ImageIds | None = DARK_IMAGES
    noise_model: Reference | None = Field(
        default=None, description="Default: the active noise model of the images' profile and channel."
    )
    for_channel: ChannelLabel | None = Field(
        default=None,
        description="Name of the channel, of several, whose active noise model is checked, or else its "
        "index, from 0. Default: that of `channel`, or of all channels.",
    )
    network: Reference | None = Field(
        default=None,
        description="N2V or PN2V network whose prediction (PN2V: prior mean) is the signal of images of the "
        "role `data`.",
    )
    channel: OneOfSeveral = None


class PoolNoiseModelSpec(PostedSpec):
    """A noise model from the pixel pairs of many images of one profile, which earlier jobs have counted.

    Counted were the images of jobs that bootstrapped a noise model; those of calibrations if they are named.
    Pairs that contradict the others are left out. The noise model becomes the active one in place of a
    bootstrapped or pooled one.
    """

    kind: Literal["pool_noise_model"] = "pool_noise_model"
    microscope: Name = Field(description="Id or name of the microscope.")
    profile: Name | None = Field(
        default=None,
        description="Id or name of the acquisition profile. Default: that of images without one.",
    )
    channel: ChannelLabel | None = Field(
        default=None,
        description="Name of the channel, of several, or else its index, from 0. Default: that of "
        "images with a single one.",
    )
    image_ids: ImageIds | None = Field(
        default=None,
        description="Images whose pairs are pooled; they may have been deleted. Default: all whose pairs are "
        "kept, or the newest 1000.",
    )
    counted_since: Moment | None = Field(
        default=None, description="Only pairs counted at this time or later."
    )
    counted_before: Moment | None = Field(default=None, description="Only pairs counted before this time.")
    noise_model_kind: NoiseModelKind = NoiseModelKind.GMM
    seed: Seed = 0


class RefitNoiseModelSpec(Spec):
    """A bootstrapped noise model, refitted to a better network's predictions."""

    kind: Literal["refit_noise_model"] = "refit_noise_model"
    image_ids: ImageIds
    network: Reference
    noise_model: Reference
    channel: Channel | None = None
    seed: Seed
