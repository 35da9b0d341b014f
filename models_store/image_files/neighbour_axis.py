"""The axis along which planes may help each other: in time, or in depth if they lie close enough."""

from dataclasses import dataclass

from models_store.image_files.header import ImageHeader
from models_store.image_files.stack_axis import StackAxis

FAR = 4.0
"""Steps of so many depths of field are far: what is sharp in a plane is blurred in the next one by a circle
whose diameter is at least 16 times the width of the point spread function."""


@dataclass(frozen=True)
class StackDepth:
    """Step of a stack in depth and the depth of field of its optics; None for what the file does not tell."""

    step_um: float | None
    field_um: float | None

    @classmethod
    def of(cls, header: ImageHeader, channel: int | None) -> "StackDepth":
        """Return them for a channel, or for an image with a single one (None)."""
        pixel, at = header.pixel_size_um, channel or 0
        if pixel is None or at >= len(header.optics):
            return cls(pixel.z_um if pixel else None, None)
        return cls(pixel.z_um, header.optics[at].depth_of_field_um(max(pixel.x_um, pixel.y_um)))

    @property
    def is_far(self) -> bool:
        """Whether the planes are known to lie too far apart; what is not known is left to the risk."""
        return self.step_um is not None and self.field_um is not None and self.step_um > FAR * self.field_um

    @property
    def described(self) -> str:
        """What is known of both, for a plan; empty if the step or the depth of field is not known."""
        if self.step_um is None or self.field_um is None:
            return ""
        return f"{self.step_um:.3g} µm apart, with a depth of field of {self.field_um:.2g} µm at most"


@dataclass(frozen=True)
class NeighbourAxis:
    """The axis along which planes may help each other, and what is known of it."""

    axis: StackAxis | None
    """None: planes are denoised alone."""
    described: str = ""
    """What the file tells of the planes' distance."""
    why_alone: str = ""
    """Why planes that lie beside each other do not help; empty if they may, or if there are none."""

    @classmethod
    def of(cls, header: ImageHeader, channel: int | None) -> "NeighbourAxis":
        """Return the axis of the planes of a channel, or of all planes (None)."""
        axis = StackAxis.of(header, one_channel=channel is not None)
        if axis is None or axis.name != "Z":
            return cls(axis)
        depth = StackDepth.of(header, channel)
        if depth.is_far:
            return cls(None, why_alone=f"along Z they are {depth.described}")
        return cls(axis, depth.described)


ALONE = NeighbourAxis(None)
"""That of a single plane."""
