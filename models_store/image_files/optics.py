"""Optics with which a channel was imaged, as files tell them, and the depth of field that follows."""

from pydantic import BaseModel

_INDICES = {
    "air": 1.0,
    "water": 1.33,
    "waterdipping": 1.33,
    "silicone": 1.40,
    "glyc": 1.47,
    "glycerol": 1.47,
    "glycerin": 1.47,
    "glycerine": 1.47,
    "oil": 1.52,
}
"""Refractive indices of immersion media at room temperature, by their names in OME's schema and in files."""

_LARGEST_INDEX, _LONGEST_NM = 1.52, 700.0
"""In place of what is not known: of oil, and of red light. The depth of field is then at most that large."""

_LARGEST_APERTURE = 1.7


class Optics(BaseModel, frozen=True):
    """Optics of one channel; None for what the file does not tell. `magnification` is the nominal one."""

    numerical_aperture: float | None = None
    refractive_index: float | None = None
    """That of the immersion medium."""
    emission_nm: float | None = None
    magnification: float | None = None
    immersion: str | None = None
    """The medium as the file spells it."""

    def depth_of_field_um(self, pixel_um: float) -> float | None:
        """Return the depth within which a specimen looks sharp, at most; None without a numerical aperture.

        `pixel_um`: size of a pixel in the specimen. d = l n / NA^2 + n e / NA, with the wavelength l, the
        refractive index n and the pixel e in the specimen (Inoue and Spring, Video Microscopy, 1997).
        """
        aperture, index = self.numerical_aperture, self.refractive_index or _LARGEST_INDEX
        if aperture is None or not 0 < aperture <= min(index, _LARGEST_APERTURE):
            return None
        wavelength_um = (self.emission_nm or _LONGEST_NM) / 1000
        return wavelength_um * index / aperture**2 + index * pixel_um / aperture


def index_of(medium: object) -> float | None:
    """Return the refractive index of an immersion medium by its name; None for an unknown one."""
    name = "".join(each for each in str(medium).lower() if each.isalpha())
    return _INDICES.get(name)


def optics_told(channels: list[Optics]) -> tuple[Optics, ...]:
    """Return the optics of all channels; nothing if the file tells nothing of the objective."""
    known = any(each.numerical_aperture or each.magnification or each.immersion for each in channels)
    return tuple(channels) if known else ()
