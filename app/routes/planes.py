"""Routes of planes of images and results: what there is, tiles, range of values, line profiles."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from app.http.authorization import READ
from app.http.downloads import client_has, file_responses
from app.http.private_caching import kept_privately
from app.routes.desks import ImageDesk, ResultDesk
from app.viewing.desk import Desk, Tile
from app.viewing.documents import PlanesDocument
from app.viewing.drawing import Colours, Window
from app.viewing.profiles import LineProfile, Point
from app.viewing.ranges import ValueRange
from models_store.errors import FieldError

of_images = APIRouter(prefix="/images/{image_id}/planes", tags=["images"], dependencies=READ)
of_results = APIRouter(prefix="/artifacts/{artifact_id}/planes", tags=["artifacts"], dependencies=READ)

_TILE = "/{plane}/tiles/{level}/{x}_{y}.png"
_TILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: answer for status, answer in file_responses("image/png").items() if status in {200, 304}
}
_CACHED = kept_privately(86_400, immutable=True)
"""Planes never change; after a day a browser asks again, as a later version may draw them better."""

Plane = Annotated[int, Path(ge=0, description="Number of the plane, in row-major order of the axes.")]
Pixels = Annotated[float, Query(allow_inf_nan=False, description="In pixels, from the first one's centre.")]
IfNoneMatch = Annotated[str | None, Header(description="ETags of tiles the client already has.")]


async def _tile(
    plane: Plane,
    level: Annotated[int, Path(ge=0, description="0: full size; each further one has half the size.")],
    x: Annotated[int, Path(ge=0, description="Column of the tile.")],
    y: Annotated[int, Path(ge=0, description="Row of the tile.")],
    low: Annotated[
        float | None,
        Query(allow_inf_nan=False, description="Value drawn black. Default, of both: the plane's range."),
    ] = None,
    high: Annotated[float | None, Query(allow_inf_nan=False, description="Value drawn white.")] = None,
    colours: Annotated[
        Colours,
        Query(description="`diverging`: blue to red. Pixels without a number are magenta in all."),
    ] = Colours.GREY,
    tint: Annotated[
        str | None,
        Query(
            pattern="^[0-9A-Fa-f]{6}$",
            description="RRGGBB in the place of white, to add up channels in their colours.",
        ),
    ] = None,
) -> Tile:
    if tint is not None and colours is Colours.DIVERGING:
        raise FieldError("tint", "diverging colours have none; leave it out, or ask for colours=grey")
    return Tile(plane, level, x, y, _window(low, high), colours, tint)


def _window(low: float | None, high: float | None) -> Window | None:
    if low is None and high is None:
        return None
    if low is None or high is None:
        raise FieldError("low, high", "give both ends of the window of contrast, or none of them")
    if low >= high:
        raise FieldError("low", f"{low:g} must be below high, which is {high:g}")
    return Window(low, high)


async def _line(from_x: Pixels, from_y: Pixels, to_x: Pixels, to_y: Pixels) -> tuple[Point, Point]:
    return Point(from_x, from_y), Point(to_x, to_y)


RequestedTile = Annotated[Tile, Depends(_tile)]
Line = Annotated[tuple[Point, Point], Depends(_line)]


@of_images.get("")
async def get_planes_of_image(desk: ImageDesk) -> PlanesDocument:
    """Tell axes, sizes and channels of an image's planes, and their levels and tiles."""
    return PlanesDocument.of(desk.view.header)


@of_images.get(_TILE, response_class=Response, responses=_TILE_ANSWERS)
async def get_tile_of_image(
    desk: ImageDesk, tile: RequestedTile, if_none_match: IfNoneMatch = None
) -> Response:
    """Draw a tile of a plane as an 8-bit PNG, from all bits of the file."""
    return await _drawn(desk, tile, if_none_match)


@of_images.get("/{plane}/range")
async def get_range_of_image(plane: Plane, desk: ImageDesk) -> ValueRange:
    """Measure the values of a plane, for a first window of contrast."""
    return await desk.value_range(plane)


@of_images.get("/{plane}/profile")
async def get_profile_of_image(plane: Plane, desk: ImageDesk, line: Line) -> LineProfile:
    """Return the values of a plane along a line."""
    return await desk.profile(plane, *line)


@of_results.get("")
async def get_planes_of_result(desk: ResultDesk) -> PlanesDocument:
    """Tell axes, sizes and channels of a result's planes, which are in the order of those of its image."""
    return PlanesDocument.of(desk.view.header)


@of_results.get(_TILE, response_class=Response, responses=_TILE_ANSWERS)
async def get_tile_of_result(
    desk: ResultDesk, tile: RequestedTile, if_none_match: IfNoneMatch = None
) -> Response:
    """Draw a tile of a plane of a result, or of what it removed, as an 8-bit PNG."""
    return await _drawn(desk, tile, if_none_match)


@of_results.get("/{plane}/range")
async def get_range_of_result(plane: Plane, desk: ResultDesk) -> ValueRange:
    """Measure the values of a plane of a result, or of what it removed."""
    return await desk.value_range(plane)


@of_results.get("/{plane}/profile")
async def get_profile_of_result(plane: Plane, desk: ResultDesk, line: Line) -> LineProfile:
    """Return the values of a plane of a result, or of what it removed, along a line."""
    return await desk.profile(plane, *line)


async def _drawn(desk: Desk, tile: Tile, known: str | None) -> Response:
    etag = f'"{desk.digest(tile)}"'
    headers = {"ETag": etag, **_CACHED}
    if client_has(etag, known):
        return Response(status_code=304, headers=headers)
    return Response(await desk.draw(tile), media_type="image/png", headers=headers)


router = APIRouter()
router.include_router(of_images)
router.include_router(of_results)
