"""Models in the registry that a plan may reuse."""

from dataclasses import dataclass

from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.vocabulary import NoiseModelKind, NoiseModelOrigin


@dataclass(frozen=True)
class KnownModels:
    """Models in the registry for the images' microscope and profile; networks match the job's recipe."""

    profile: str | None
    """Name of the profile, and of the channel if there are several, in messages; None: the images have no
    profile."""
    noise_model_id: str | None = None
    """The active noise model."""
    noise_model_profile: str | None = None
    """Name of the profile that the noise model is for, if it is for all channels; None: as `profile`."""
    noise_model_kind: NoiseModelKind | None = None
    noise_model_origin: NoiseModelOrigin = NoiseModelOrigin.BOOTSTRAP
    noise_model_fit: NoiseModelFit | None = None
    """How well it, or the one that was passed over, explains the images; None if that is not known."""
    noise_model_warning: str | None = None
    """What to know of it if it is used."""
    passed_over: str | None = None
    """Why a noise model that could have been expected is not used."""
    named_noise_model_fit: NoiseModelFit | None = None
    """The same of the noise model that the job names."""
    n2v_network_id: str | None = None
    pn2v_network_id: str | None = None
    pn2v_noise_model_id: str | None = None
    """Noise model that the PN2V network was trained with."""
    distilled_network_id: str | None = None
    adapted_network_id: str | None = None
    """Network that was adapted to other images, from the pretrained network of the job."""
    pretrained_network_id: str | None = None
    """Network for single planes that was imported for the profile or the microscope."""
    pretrained_stack_network_id: str | None = None
    """The same for planes with neighbours."""


DELIBERATE_ORIGINS = {NoiseModelOrigin.CALIBRATION: "calibrated", NoiseModelOrigin.IMPORT: "imported"}
"""Origins of noise models that were created deliberately, for all that a microscope records."""

REUSED_ORIGINS = DELIBERATE_ORIGINS | {NoiseModelOrigin.POOLED: "pooled"}
"""Origins of noise models that are reused by default: they are better than one of the job's images alone."""
