"""A server of tools for agents (Model Context Protocol) over the client."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from clearscope_client.agents.answers import (
    Answer,
    image_answer,
    job_answer,
    noise_model_answer,
    preflight_answer,
)
from clearscope_client.agents.folder import SharedFolder
from clearscope_client.awaiting import AsyncClearScope
from clearscope_client.documents import Artifact, Job
from clearscope_client.errors import ClientError, ServerRefusedError

_Tool = Callable[..., Awaitable[object]]

Connect = Callable[[str | None], AsyncClearScope]
"""Opens a client with the API key that a request brought; None: it brought none."""

INSTRUCTIONS = """\
Removes noise from microscope images with a ClearScope server: upload, preflight, denoise, watch until the \
job has ended, then look at trust_report and result_preview, and save the results. Always tell the user the \
verdict (trust, check or do_not_trust) with its sentence, and the warnings. Denoised images are \
estimates; the originals are kept.\
"""

_TRUST_PREVIEW = "trust-preview.png"
_BEARER = "bearer "
_BETWEEN_PROGRESS_S = 1
_READS = ToolAnnotations(read_only_hint=True)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False)
_REPLACES = ToolAnnotations(read_only_hint=False, destructive_hint=True)

ImageIds = Annotated[list[str], Field(min_length=1, description="Ids that `upload` returned.")]
JobId = Annotated[str, Field(description="Id that `denoise` returned.")]
Microscope = Annotated[str | None, Field(description="Name of a microscope that the server knows.")]
Preset = Annotated[
    Literal["instant", "fast", "balanced", "paper"],
    Field(description="instant: seconds; fast and balanced: about a minute for a plane; paper: hours."),
]
Options = Annotated[
    dict[str, Any] | None,
    Field(description="Further fields of a denoise job, as DenoiseSpec in the server's /openapi.json."),
]


def agent_server(connect: Connect, folder: Path) -> MCPServer:
    """Return a server whose tools send files of `folder`, and save results in it."""
    server = MCPServer(
        "ClearScope",
        instructions=INSTRUCTIONS,
        version=version("clearscope-client"),
        log_level="WARNING",
    )
    tools = _Tools(connect, SharedFolder(folder))
    reading: tuple[_Tool, ...] = (tools.preflight, tools.watch, tools.trust_report, tools.noise_models)
    for tool in (*reading, tools.image_preview, tools.result_preview):
        server.tool(annotations=_READS)(tool)
    writing: tuple[_Tool, ...] = (tools.upload, tools.denoise, tools.cancel)
    for tool in writing:
        server.tool(annotations=_WRITES)(tool)
    server.tool(annotations=_REPLACES)(tools.save_results)
    return server


class _Tools:
    """Tools; their docstrings are what an agent reads."""

    def __init__(self, connect: Connect, folder: SharedFolder) -> None:
        self._connect = connect
        self._folder = folder

    async def upload(
        self,
        context: Context,
        path: Annotated[str, Field(description="A file, or the folder of an image set.")],
        microscope: Microscope = None,
        profile: Annotated[str | None, Field(description="Acquisition profile of the microscope.")] = None,
        settings: Annotated[
            dict[str, Any] | None, Field(description="Camera settings that the file does not tell.")
        ] = None,
    ) -> Answer:
        """Upload a microscope image; returns its id, axes, shape and warnings."""
        async with self._client(context) as client:
            source = self._folder.source(path)
            return image_answer(
                await client.upload(source, microscope=microscope, profile=profile, settings=settings)
            )

    async def preflight(
        self, context: Context, image_ids: ImageIds, preset: Preset = "instant", options: Options = None
    ) -> Answer:
        """Tell what a denoise job would do, and what is odd about its images, without posting it."""
        async with self._client(context) as client:
            return preflight_answer(await client.preflight(_spec(image_ids, preset, options)))

    async def denoise(
        self, context: Context, image_ids: ImageIds, preset: Preset = "instant", options: Options = None
    ) -> Answer:
        """Start a job that removes the noise; returns its id at once. Call `watch` until it has ended."""
        async with self._client(context) as client:
            return job_answer(await client.submit(_spec(image_ids, preset, options)))

    async def watch(
        self,
        context: Context,
        job_id: JobId,
        wait_s: Annotated[float, Field(ge=0, le=300, description="Longest time to wait.")] = 30,
    ) -> Answer:
        """Return state, verdict, warnings and files of a job, at its end or after `wait_s` seconds."""
        async with self._client(context) as client:
            give_up_s = anyio.current_time() + wait_s
            job = await client.job(job_id)
            while True:
                await context.report_progress(job.progress, 1.0, job.stage or job.kind)
                left_s = give_up_s - anyio.current_time()
                if job.has_ended or left_s <= 0:
                    return job_answer(job)
                # Whole seconds only; the server answers as soon as the job has ended.
                job = await client.job(job_id, wait_s=_BETWEEN_PROGRESS_S)

    async def trust_report(self, context: Context, job_id: JobId) -> Answer:
        """Tell whether to trust the result of a job, why, and the figures behind it."""
        async with self._client(context) as client:
            job = await client.job(job_id)
            _require_result(job)
            return {**job_answer(job), "reports": await client.trust_reports(job)}

    async def noise_models(self, context: Context, microscope: Microscope = None) -> list[Answer]:
        """List the noise models that the server keeps, newest first."""
        async with self._client(context) as client:
            return [noise_model_answer(each) for each in await client.noise_models(microscope=microscope)]

    async def image_preview(
        self, context: Context, image_id: Annotated[str, Field(description="Id that `upload` returned.")]
    ) -> Image:
        """Show a small picture of an uploaded image."""
        async with self._client(context) as client:
            image = await client.image(image_id)
            return Image(data=await client.read(image.preview_href), format="png")

    async def result_preview(self, context: Context, job_id: JobId) -> Image:
        """Show observation, result and their difference side by side."""
        async with self._client(context) as client:
            for artifact in _require_result(await client.job(job_id)):
                if artifact.name.endswith(_TRUST_PREVIEW):
                    return Image(data=await client.read(artifact.href), format="png")
            raise ToolError(f"job {job_id} made no {_TRUST_PREVIEW}")

    async def cancel(self, context: Context, job_id: JobId) -> Answer:
        """Cancel a job; one that has ended stays as it is."""
        async with self._client(context) as client:
            return job_answer(await client.cancel(job_id))

    async def save_results(
        self,
        context: Context,
        job_id: JobId,
        into: Annotated[str, Field(description="Folder for the files, made if new.")],
    ) -> list[str]:
        """Save all result files of a job; files of the same names are replaced. Returns their paths."""
        async with self._client(context) as client:
            target = self._folder.inside(into)
            artifacts = _require_result(await client.job(job_id))
            # The last part alone: a name of the server's must not lead elsewhere.
            return [str(await client.save(each, target / Path(each.name).name)) for each in artifacts]

    @asynccontextmanager
    async def _client(self, context: Context) -> AsyncIterator[AsyncClearScope]:
        """Open a client with the key of the request; its errors become those of the tool."""
        authorization = (context.headers or {}).get("authorization", "")
        brought = authorization.lower().startswith(_BEARER)
        try:
            async with self._connect(authorization[len(_BEARER) :].strip() if brought else None) as client:
                yield client
        except ServerRefusedError as refused:
            raise ToolError(f"{refused.detail} ({refused.code})") from refused
        except ClientError as failed:
            raise ToolError(failed.detail) from failed


def _spec(image_ids: list[str], preset: str, options: dict[str, Any] | None) -> dict[str, Any]:
    return {**(options or {}), "kind": "denoise", "image_ids": image_ids, "preset": preset}


def _require_result(job: Job) -> tuple[Artifact, ...]:
    if job.result is None:
        reason = f": {job.error.detail}" if job.error else "; call watch until it has succeeded"
        raise ToolError(f"job {job.id} has no result, it is {job.state}{reason}")
    return job.result.artifacts
