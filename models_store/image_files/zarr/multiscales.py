"""OME metadata of one image: its axes, the array of full resolution, sizes and channels."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError

from models_store.errors import ImageUnsupportedError
from models_store.image_files.printable_text import printable
from models_store.image_files.zarr.array_parts import MAX_DIMENSIONS, Document, raising_image_corrupt
from models_store.image_files.zarr.units import duration_s, length_um

_AXES = "TCZYX"
_AXES_OF_TYPES = {"time": "T", "channel": "C"}
_VERSIONS = ("0.4", "0.5")
_EXPECTED = "OME-Zarr 0.4 and 0.5 are read: write it as one of them"


class _Axis(Document):
    name: str
    type: str | None = None
    unit: str | None = None

    @property
    def letter(self) -> str:
        named = self.name.upper()
        return named if named in _AXES else _AXES_OF_TYPES.get(self.type or "", "")


class _Transformation(Document):
    type: str = ""
    scale: list[float] | None = None


class _Dataset(Document):
    path: str
    coordinateTransformations: tuple[_Transformation, ...] = ()  # noqa: N815  # the name in the format


class _Multiscale(Document):
    name: str | None = None
    version: str | None = None
    axes: Annotated[list[_Axis], Field(min_length=2, max_length=MAX_DIMENSIONS)]
    datasets: Annotated[list[_Dataset], Field(min_length=1)]
    coordinateTransformations: tuple[_Transformation, ...] = ()  # noqa: N815  # the name in the format


class _Channel(Document):
    label: str | None = None
    color: str | None = None


class _Omero(Document):
    channels: tuple[_Channel, ...] = ()


@dataclass(frozen=True)
class Multiscale:
    """An image; `axes` (of T, C, Z, Y, X) are those of its array, at `path` below the image's group.

    `size_um` has the distances along X, Y and Z that are known. `channels` are names and colours (RRGGBB).
    """

    name: str
    path: str
    axes: str
    size_um: dict[str, float]
    interval_s: float | None
    channels: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def multiscales_of(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the descriptions of a group's images; none if it is not a group of images."""
    described = attributes.get("multiscales")
    return [each for each in described if isinstance(each, dict)] if isinstance(described, list) else []


def multiscale(described: dict[str, Any], attributes: dict[str, Any]) -> Multiscale:
    """Return what the description of an image, and the attributes of its group, tell.

    Raises ImageUnsupportedError if the version or the axes are not read, ImageCorruptError if it is broken.
    """
    _require_version(described, attributes)
    with raising_image_corrupt("the metadata of the multiscale image"):
        image = _Multiscale.model_validate(described)
    axes = _axes(image)
    steps, told = _steps(image)
    size_um: dict[str, float] = {}
    interval_s = None
    for letter, axis, step in zip(axes, image.axes, steps or (), strict=False):
        unit = axis.unit or ""
        if letter == "T":
            interval_s = duration_s(step, unit)
        if letter in "XYZ" and (length := length_um(abs(step), unit)):
            size_um[letter] = length
    told += _unknown_units(image, axes, steps)
    channels, problem = _channels(attributes)
    return Multiscale(
        name=printable(image.name or ""),
        path=image.datasets[0].path,
        axes=axes,
        size_um=size_um,
        interval_s=interval_s,
        channels=channels,
        warnings=tuple(told + problem),
    )


def _require_version(described: dict[str, Any], attributes: dict[str, Any]) -> None:
    version = described.get("version", attributes.get("version"))
    if version is not None and not str(version).startswith(_VERSIONS):
        raise ImageUnsupportedError(
            f"the image is an OME-Zarr of the version {str(version)[:20]!r}; {_EXPECTED}"
        )
    axes = described.get("axes")
    if axes is None or (isinstance(axes, list) and any(isinstance(axis, str) for axis in axes)):
        raise ImageUnsupportedError(f"the image is an OME-Zarr before version 0.4; {_EXPECTED}")


def _axes(image: _Multiscale) -> str:
    letters = [axis.letter for axis in image.axes]
    if "" in letters or len({*letters}) < len(letters) or letters[-2:] != ["Y", "X"]:
        named = ", ".join(repr(axis.name[:20]) for axis in image.axes)
        raise ImageUnsupportedError(
            f"the axes of the image are {named}; axes of t, c, z, y and x that end in y, x are read: save it "
            "with those"
        )
    return "".join(letters)


def _steps(image: _Multiscale) -> tuple[list[float] | None, list[str]]:
    """Return the distance of pixels along each axis, and what cannot be used; None if it is unknown."""
    scales = [
        each
        for each in (*image.datasets[0].coordinateTransformations, *image.coordinateTransformations)
        if each.type == "scale"
    ]
    if not scales:
        return None, []
    steps = [1.0] * len(image.axes)
    for each in scales:
        if each.scale is None or len(each.scale) != len(steps):
            return None, ["the scale of the image does not have one number for each axis; it is not used"]
        steps = [step * factor for step, factor in zip(steps, each.scale, strict=True)]
    return steps, []


def _unknown_units(image: _Multiscale, axes: str, steps: list[float] | None) -> list[str]:
    """Tell of the units of lengths and times that are missing or unknown."""
    unknown = []
    for letter, axis, step in zip(axes, image.axes, steps or (), strict=False):
        to_known = {"T": duration_s}.get(letter, length_um)
        if letter == "C" or (step == 1.0 and not axis.unit):  # nobody wrote a scale
            continue
        if to_known(1.0, axis.unit or "") is None:
            unit = f"the unknown unit {axis.unit[:40]!r}" if axis.unit else "no unit"
            unknown.append(f"the axis {axis.name[:20]!r} has {unit}; its scale is not used")
    return unknown


def _channels(attributes: dict[str, Any]) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    described = attributes.get("omero")
    if described is None:
        return (), []
    try:
        channels = _Omero.model_validate(described).channels
    except ValidationError:
        return (), ["the names of channels cannot be read"]
    return tuple((printable(each.label or ""), each.color or "") for each in channels), []
