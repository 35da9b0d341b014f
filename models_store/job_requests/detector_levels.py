"""Whether an image and a noise model are of a detector with the same bit depth, offset and full scale."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from models_store.contracts.noise_models import GmmParameters, HistogramParameters
from models_store.database.tables import NoiseModelRow
from models_store.image_files.header import ImageHeader
from models_store.image_files.setting_values import amount
from models_store.repositories.profile_settings import DetectorSettings
from models_store.repositories.profiles import settings_of_channel
from models_store.survey.values import Values

_ABOVE_SATURATION = 1.05
"""Fits and imported noise models extend a little beyond the signals that were seen."""


@dataclass(frozen=True)
class DetectorLevels:
    """Bit depth and offset of a detector; None for what is not known."""

    bit_depth: int | None = None
    offset: float | None = None

    @property
    def highest_adu(self) -> int | None:
        """The largest value that so many bits can hold."""
        return None if self.bit_depth is None else 2**self.bit_depth - 1


def levels_of_image(
    header: ImageHeader, requested: Mapping[str, Any] | None, channel: int | None
) -> DetectorLevels:
    """Return what an image is said to be recorded with; what its upload told wins over its file."""
    own = header.acquisition[channel or 0] if len(header.acquisition) > (channel or 0) else None
    told = DetectorSettings.of(own) if own is not None else DetectorSettings()
    settings = told.replaced_by(DetectorSettings.model_validate(requested or {}))
    return DetectorLevels(settings.bit_depth, settings.offset)


def levels_of_noise_model(noise_model: NoiseModelRow) -> DetectorLevels:
    """Return those of the profile that a noise model is for."""
    if noise_model.profile is None:
        return DetectorLevels()
    settings = settings_of_channel(noise_model.profile, noise_model.channel)
    return DetectorLevels(settings.bit_depth, settings.offset)


def other_levels(
    parameters: GmmParameters | HistogramParameters,
    model: DetectorLevels,
    images: Iterable[DetectorLevels],
    values: Values | None,
) -> tuple[str, ...]:
    """Return clauses about levels that the noise model's detector and that of images do not share.

    `values`: those of all images.
    """
    found = (clause for image in images for clause in _differences(model, image))
    return tuple(dict.fromkeys([*found, *_beyond(parameters, model, values)]))


def _differences(model: DetectorLevels, image: DetectorLevels) -> Iterator[str]:
    if None not in (model.bit_depth, image.bit_depth) and model.bit_depth != image.bit_depth:
        yield f"is for images of {model.bit_depth} bit, not of {image.bit_depth} bit"
    if None not in (model.offset, image.offset) and amount(model.offset) != amount(image.offset):
        yield f"is for an offset of {amount(model.offset)}, not of {amount(image.offset)}"


def _beyond(
    parameters: GmmParameters | HistogramParameters, model: DetectorLevels, values: Values | None
) -> Iterator[str]:
    """Yield clauses about the largest values of either, which the other's detector does not reach.

    The bit depth of a profile counts for nothing if the model itself knows larger signals.
    """
    highest_adu = model.highest_adu
    if (
        highest_adu is not None
        and values is not None
        and parameters.signal_max_adu <= highest_adu < values.max_adu
    ):
        yield (
            f"is for images of {model.bit_depth} bit, up to {highest_adu} ADU, and these have values up to "
            f"{values.max_adu:.4g} ADU"
        )
    saturation_adu = values.saturation_adu if values else None
    if saturation_adu is not None and parameters.signal_max_adu > _ABOVE_SATURATION * saturation_adu:
        yield (
            f"knows signals up to {parameters.signal_max_adu:.4g} ADU, and the detector of the images ends "
            f"at {saturation_adu:.4g} ADU"
        )
