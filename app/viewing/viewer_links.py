"""Links and commands that open an OME-Zarr in other programs."""

import json
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, Field

from app.viewing.ranges import ValueRange
from models_store.settings import Settings

_DEFAULT_COLOURS = ("#00FF00", "#FF00FF", "#00FFFF", "#FFFF00", "#FF0000", "#0000FF")


class LinkDocument(BaseModel):
    """A signed link to an OME-Zarr, and what opens it. Whoever has it may read without a key, for a while."""

    href: str = Field(description="Address of the OME-Zarr 0.4; programs append names of files to it.")
    expires_at: datetime
    neuroglancer_href: str | None = Field(description="Null: the server has no CLEARSCOPE_NEUROGLANCER_URL.")
    vizarr_href: str | None = Field(description="Null: the server has no CLEARSCOPE_VIZARR_URL.")
    napari: str = Field(description="A command that opens it in napari, with the plugin napari-ome-zarr.")
    python: str = Field(description="Lines of Python that open the full resolution with zarr and fsspec.")


def link_document(
    href: str,
    expires_at: datetime,
    settings: Settings,
    windows: Sequence[ValueRange],
    colours: Sequence[str | None],
) -> LinkDocument:
    """Return the links of an OME-Zarr image; `windows` and `colours`: of each channel, or no windows."""
    neuroglancer, vizarr = settings.neuroglancer_url, settings.vizarr_url
    return LinkDocument(
        href=href,
        expires_at=expires_at,
        neuroglancer_href=neuroglancer + _neuroglancer_state(href, windows, colours)
        if neuroglancer
        else None,
        vizarr_href=f"{vizarr}?source={quote(href, safe='')}" if vizarr else None,
        napari=f"napari --plugin napari-ome-zarr '{href}'",
        python=f'import zarr\npixels = zarr.open_array("{href}/0", mode="r")',
    )


def _neuroglancer_state(href: str, windows: Sequence[ValueRange], colours: Sequence[str | None]) -> str:
    """Return the fragment that tells neuroglancer what to show; browsers do not send it to its server."""
    layer: dict[str, object] = {"type": "image", "name": "planes", "source": f"zarr2://{href}"}
    if windows:
        layer |= _contrast(windows, colours)
    return "#!" + quote(json.dumps({"layers": [layer], "layout": "xy"}), safe="")


def _contrast(windows: Sequence[ValueRange], colours: Sequence[str | None]) -> dict[str, object]:
    """Return a shader that adds the channels in their colours, each within its own window of contrast."""
    controls = {f"channel{at}": {"range": [each.low, each.high]} for at, each in enumerate(windows)}
    if len(windows) == 1:
        shader = "#uicontrol invlerp channel0\nvoid main() { emitGrayscale(channel0()); }"
        return {"shader": shader, "shaderControls": controls}
    lines = []
    for at in range(len(windows)):
        colour = colours[at] or _DEFAULT_COLOURS[at % len(_DEFAULT_COLOURS)]
        lines += [
            f"#uicontrol invlerp channel{at}(channel={at})",
            f'#uicontrol vec3 colour{at} color(default="{colour}")',
        ]
    total = " + ".join(f"colour{at} * channel{at}()" for at in range(len(windows)))
    return {"shader": "\n".join([*lines, f"void main() {{ emitRGB({total}); }}"]), "shaderControls": controls}
