"""Lines about the result of a server's denoise job, like those of `clearscope denoise`."""

from collections.abc import Callable, Iterator

from app.commands.client import Document, ServerRefusedError
from models_store.contracts.noise_models import describe_noise_model
from models_store.contracts.trust import TRUST
from models_store.image_files.channels import title_of


def result_lines(job: Document, get: Callable[[str], Document]) -> Iterator[tuple[str, str]]:
    """Yield titles and texts about the estimate and the noise model of each channel of a succeeded job.

    `get`: returns the document at a path of the server.
    """
    values = job["result"]["values"]
    # Images of a file that differ in kind have plans and results of their own, in the same order.
    kinds = list(dict.fromkeys(tuple(step.get("series") or ()) for step in job["plan"]))
    for kind, results in zip(kinds, values.get("groups", [values]), strict=True):
        plan = [step for step in job["plan"] if tuple(step.get("series") or ()) == kind]
        title = f"series {', '.join(map(str, kind))}: " if kind else ""
        # A server of an earlier version tells nothing.
        if TRUST in results:
            yield "trust", f"{title}{results[TRUST]['sentence']}"
        yield from _lines_of_alike(title, results, plan, get)


def _lines_of_alike(
    images: str, values: Document, plan: list[Document], get: Callable[[str], Document]
) -> Iterator[tuple[str, str]]:
    channels = 1 + max((step["channel"] or 0 for step in plan), default=0)
    for found in values.get("channels", [values]):
        channel = found.get("channel")
        title = images + ("" if channel is None else f"{title_of(channel, channels, found['name'])}: ")
        if "estimate" in found:
            yield "estimate", f"{title}{found['estimate']}: {found['reason']}"
        if noise_model_id := found.get("noise_model_id") or _reused_noise_model(plan, channel):
            yield "noise model", f"{title}{_described(noise_model_id, get)}"


def _reused_noise_model(plan: list[Document], channel: int | None) -> str | None:
    steps = (step for step in plan if (step["stage"], step["channel"]) == ("noise_model", channel))
    return next((step["id"] for step in steps), None)


def _described(noise_model_id: str, get: Callable[[str], Document]) -> str:
    try:
        document = get(f"/v1/noise-models/{noise_model_id}")
    except ServerRefusedError:
        # Somebody has deleted it, or the key may not see it; that must not keep the results away.
        return noise_model_id
    return f"{document['origin']}, {describe_noise_model(document['parameters'])}, {noise_model_id}"
