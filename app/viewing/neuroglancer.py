"""The state with which neuroglancer shows an OME-Zarr."""

import json
from collections.abc import Sequence
from urllib.parse import quote

from app.viewing.documents import PlanesDocument
from app.viewing.ranges import ValueRange

_DEFAULT_COLOURS = ("#00FF00", "#FF00FF", "#00FFFF", "#FFFF00", "#FF0000", "#0000FF")
_WHITE = "#FFFFFF"
_WINDOW_PX = (1000, 600)
"""Width and height of a window into which the whole plane fits at first."""
_SHOWN_DIMENSIONS = 3
_SHADER = (
    '#uicontrol vec3 colour color(default="{colour}")\n'
    "#uicontrol invlerp contrast\n"
    "void main() {{ emitRGB(colour * contrast()); }}"
)


def neuroglancer_fragment(href: str, axes: str, planes: PlanesDocument, windows: Sequence[ValueRange]) -> str:
    """Return the fragment that tells neuroglancer what to show; browsers do not send it to its server.

    `axes`: of the OME-Zarr at `href`; `windows`: of each channel, or none, for contrast by neuroglancer.
    """
    return "#!" + quote(json.dumps(_state(href, axes, planes, windows)), safe="")


def _state(href: str, axes: str, planes: PlanesDocument, windows: Sequence[ValueRange]) -> dict[str, object]:
    return {
        # The layout "xy" shows the first two dimensions, whatever their names.
        "dimensions": _dimensions(axes, planes),
        "crossSectionScale": _scale(axes, planes),
        "layers": _layers(href, axes, planes, windows),
        "layout": "xy",
    }


def _layers(
    href: str, axes: str, planes: PlanesDocument, windows: Sequence[ValueRange]
) -> list[dict[str, object]]:
    """Return a layer for each channel, as shaders see one place along an axis that neuroglancer calls c'."""
    whole: dict[str, object] = {"type": "image", "source": f"zarr2://{href}"}
    if not windows:
        return [{**whole, "name": "planes"}]
    layers = []
    for at, (channel, window) in enumerate(zip(planes.channels, windows, strict=True)):
        default = _WHITE if len(windows) == 1 else _DEFAULT_COLOURS[at % len(_DEFAULT_COLOURS)]
        bounds = [window.low, window.high]
        place = {"localDimensions": {"c'": [1, ""]}, "localPosition": [at]} if "C" in axes else {}
        layers.append(
            {
                **whole,
                **place,
                "name": channel.name,
                "opacity": 1,
                "blend": "additive",
                "shader": _SHADER.format(colour=channel.colour or default),
                "shaderControls": {"contrast": {"range": bounds[::-1] if planes.white_is_zero else bounds}},
            }
        )
    return layers


def _dimensions(axes: str, planes: PlanesDocument) -> dict[str, tuple[float, str]]:
    """Return name, step and unit of each axis but that of channels, x first."""
    return {axis.lower(): _step(axis, planes) for axis in reversed(axes) if axis != "C"}


def _step(axis: str, planes: PlanesDocument) -> tuple[float, str]:
    size = planes.pixel_size_um
    if axis == "T":
        return (planes.time_interval_s, "s") if planes.time_interval_s else (1, "")
    step_um = {"Z": size.z_um, "Y": size.y_um, "X": size.x_um}[axis] if size else None
    return (step_um * 1e-6, "m") if step_um else (1, "")


def _scale(axes: str, planes: PlanesDocument) -> float:
    """Return how many of the smallest steps a pixel of the screen shows, so that a plane fits the window."""
    steps = [step for step, _ in _dimensions(axes, planes).values()]
    smallest = min(steps[:_SHOWN_DIMENSIONS])
    sides = (planes.width_px * steps[0], planes.height_px * steps[1])
    return max(side / smallest / px for side, px in zip(sides, _WINDOW_PX, strict=True))
