"""Settings with which a detector recorded a channel, as files tell them."""

from pydantic import BaseModel, Field


class Acquisition(BaseModel, frozen=True):
    """Settings of one channel; None for what the file does not tell.

    Texts are as the file spells them. Exposure, objective, modality and temperature are recorded but do not
    decide whether a noise model holds.
    """

    camera: str | None = Field(default=None, description="Model of the camera or detector.")
    serial: str | None = Field(
        default=None,
        description="Serial number, or the unique name under which the program knows the camera.",
    )
    readout_mode: str | None = Field(default=None, description="Readout mode, rate and shutter.")
    gain: str | None = Field(default=None, description="Name or value of the gain, in the camera's own unit.")
    em_gain: float | None = Field(default=None, description="Electron multiplication.")
    binning: str | None = Field(default=None, description="Pixels along X and Y, such as 2x2.")
    bit_depth: int | None = Field(default=None, description="Significant bits of a pixel.")
    offset: float | None = Field(default=None, description="Offset of the detector, in its own unit.")
    region_height: int | None = Field(
        default=None, description="Rows that the camera read out, if the file tells its region."
    )
    photon_conversion_factor: float | None = Field(
        default=None, description="Zeiss CZI: photons at full scale."
    )
    exposure_s: float | None = None
    temperature_c: float | None = None
    objective: str | None = None
    modality: str | None = None

    @property
    def is_empty(self) -> bool:
        return self == Acquisition()


def told(acquisitions: list[Acquisition]) -> tuple[Acquisition, ...]:
    """Return the settings of all channels; nothing if the file tells none of any channel."""
    return () if all(each.is_empty for each in acquisitions) else tuple(acquisitions)
