"""Links and commands that open an OME-Zarr in other programs."""

from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, Field

from app.viewing.documents import PlanesDocument
from app.viewing.neuroglancer import neuroglancer_fragment
from app.viewing.ranges import ValueRange
from models_store.settings import Settings


class LinkDocument(BaseModel):
    """A signed link to an OME-Zarr, and what opens it. Whoever has it may read without a key, for a while."""

    id: str | None = Field(description="By which the link is listed and ended.")
    href: str = Field(description="Address of the OME-Zarr 0.4; programs append names of files to it.")
    expires_at: datetime
    neuroglancer_href: str | None = Field(description="Null: the server has no CLEARSCOPE_NEUROGLANCER_URL.")
    vizarr_href: str | None = Field(description="Null: the server has no CLEARSCOPE_VIZARR_URL.")
    napari: str = Field(description="A command that opens it in napari, with the plugin napari-ome-zarr.")
    python: str = Field(description="Lines of Python that open the full resolution with zarr and fsspec.")


def link_document(
    link_id: str | None,
    href: str,
    expires_at: datetime,
    settings: Settings,
    axes: str,
    planes: PlanesDocument,
    windows: Sequence[ValueRange],
) -> LinkDocument:
    """Return the links of an OME-Zarr image with these axes; `windows`: of each channel, or none."""
    neuroglancer, vizarr = settings.neuroglancer_url, settings.vizarr_url
    return LinkDocument(
        id=link_id,
        href=href,
        expires_at=expires_at,
        neuroglancer_href=neuroglancer + neuroglancer_fragment(href, axes, planes, windows)
        if neuroglancer
        else None,
        vizarr_href=f"{vizarr}?source={quote(href, safe='')}" if vizarr else None,
        # Double quotes hold in the shells of Linux, macOS and Windows.
        napari=f'napari --plugin napari-ome-zarr "{href}"',
        python=f'import zarr\npixels = zarr.open_array("{href}/0", mode="r")',
    )
