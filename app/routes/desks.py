"""Layers on the desk of a request: of an image, of a result, and of a result whose layer is in the path."""

from typing import Annotated

from anyio import to_thread
from fastapi import Depends, Query, Request

from app.http.dependencies import RequestServices
from app.viewing.desk import Desk
from app.viewing.layers import Layer, ResultAlone, View, view_of_image, view_of_result
from app.viewing.planes_in_memory import PlanesInMemory


async def _memory(request: Request) -> PlanesInMemory:
    memory: PlanesInMemory = request.app.state.planes
    return memory


Memory = Annotated[PlanesInMemory, Depends(_memory)]


async def _desk_of_image(
    image_id: str,
    services: RequestServices,
    memory: Memory,
    request: Request,
) -> Desk:
    def find() -> View:
        with services.database.read() as session:
            return view_of_image(session, image_id)

    return _desk(services, memory, await to_thread.run_sync(find), request)


async def _desk_of_result(
    artifact_id: str,
    services: RequestServices,
    memory: Memory,
    request: Request,
    layer: Annotated[Layer, Query(description="`residual`: the image minus the result.")] = Layer.RESULT,
) -> Desk:
    return await _desk_of_layer(artifact_id, services, memory, request, layer)


async def _desk_of_layer(
    artifact_id: str, services: RequestServices, memory: Memory, request: Request, layer: Layer
) -> Desk:
    def find() -> View | ResultAlone:
        with services.database.read() as session:
            return view_of_result(session, artifact_id, layer)

    found = await to_thread.run_sync(find)
    view = await memory.view_alone(services, found) if isinstance(found, ResultAlone) else found
    return _desk(services, memory, view, request)


def _desk(services: RequestServices, memory: PlanesInMemory, view: View, request: Request) -> Desk:
    memory.require_room(view)

    async def still_wanted() -> bool:
        return not await request.is_disconnected()

    return Desk(memory, services, view, still_wanted)


ImageDesk = Annotated[Desk, Depends(_desk_of_image)]
ResultDesk = Annotated[Desk, Depends(_desk_of_result)]
LayerDesk = Annotated[Desk, Depends(_desk_of_layer)]
