"""Documents of what a viewer needs to know before it shows planes."""

from typing import Self

from pydantic import BaseModel, Field

from app.viewing.pyramids import TILE_PX, level_shapes, tiles_across
from models_store.image_files.channels import channel_name
from models_store.image_files.header import ImageHeader, PixelSize


class ChannelDocument(BaseModel):
    name: str
    colour: str | None = Field(description="#RRGGBB; null: the file tells none.")


class LevelDocument(BaseModel):
    """One size of all planes; its pixels are means of 2 x 2 pixels of the level before."""

    width_px: int
    height_px: int
    columns: int = Field(description="Tiles across.")
    rows: int = Field(description="Tiles down.")

    @classmethod
    def of(cls, height_px: int, width_px: int) -> Self:
        return cls(
            width_px=width_px,
            height_px=height_px,
            columns=tiles_across(width_px),
            rows=tiles_across(height_px),
        )


class PlanesDocument(BaseModel):
    """Planes of an image or a result. A result has those of its image, in the same order.

    Planes are numbered in row-major order of the axes before Y and X: of `ZCYX` and shape 5, 2, ..., plane 3
    is the second channel at the second depth.
    """

    axes: str
    shape: tuple[int, ...]
    planes: int
    width_px: int
    height_px: int
    pixel_size_um: PixelSize | None
    time_interval_s: float | None
    channels: list[ChannelDocument] = Field(description="Along the axis C; one if there is no such axis.")
    white_is_zero: bool = Field(description="Whether programs show low values bright.")
    tile_px: int
    levels: list[LevelDocument] = Field(description="From the full size to one tile.")

    @classmethod
    def of(cls, header: ImageHeader) -> Self:
        shapes = level_shapes(header.height_px, header.width_px)
        return cls(
            axes=header.axes,
            shape=header.shape,
            planes=header.planes,
            width_px=header.width_px,
            height_px=header.height_px,
            pixel_size_um=header.pixel_size_um,
            time_interval_s=header.time_interval_s,
            channels=_channels(header),
            white_is_zero=header.white_is_zero,
            tile_px=TILE_PX,
            levels=[LevelDocument.of(*shape) for shape in shapes],
        )


def _channels(header: ImageHeader) -> list[ChannelDocument]:
    count = dict(zip(header.axes, header.shape, strict=True)).get("C", 1)
    colours = header.channel_colours if len(header.channel_colours) == count else (None,) * count
    return [
        ChannelDocument(name=_name(header, channel, count), colour=colour)
        for channel, colour in enumerate(colours)
    ]


def _name(header: ImageHeader, channel: int, count: int) -> str:
    named = channel_name(header, channel) if count > 1 else next(iter(header.channel_names), None)
    return named or f"channel {channel + 1}"
