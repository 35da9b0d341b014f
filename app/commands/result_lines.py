"""Lines about the result of a server's denoise job, like those of `clearscope denoise`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from clearscope_client import Job, NoiseModel
from clearscope_client.documents import PlanStep
from clearscope_client.errors import ServerRefusedError
from models_store.contracts.noise_models import describe_noise_model
from models_store.contracts.trust import TRUST
from models_store.image_files.channels import title_of

Values = Mapping[str, Any]


def result_lines(job: Job, noise_model: Callable[[str], NoiseModel]) -> Iterator[tuple[str, str]]:
    """Yield titles and texts about the estimate and the noise model of each channel of a succeeded job.

    `noise_model`: returns the server's document of the noise model of this id.
    """
    values = job.result.values if job.result else {}
    # Images that differ in kind or light have plans and results of their own, in the same order.
    kinds = list(dict.fromkeys(_images_of(step) for step in job.plan))
    for kind, results in zip(kinds, values.get("groups", [values]), strict=True):
        plan = [step for step in job.plan if _images_of(step) == kind]
        title = f"{kind}: " if kind else ""
        # A server of an earlier version tells nothing.
        if TRUST in results:
            yield "trust", f"{title}{results[TRUST]['sentence']}"
        yield from _lines_of_alike(title, results, plan, noise_model)


def _images_of(step: PlanStep) -> str:
    """Return which images of the job a step is for; "" for all."""
    if step.series:
        return f"series {', '.join(map(str, step.series))}"
    return ", ".join(step.image_ids or ())


def _lines_of_alike(
    images: str, values: Values, plan: list[PlanStep], noise_model: Callable[[str], NoiseModel]
) -> Iterator[tuple[str, str]]:
    channels = 1 + max((step.channel or 0 for step in plan), default=0)
    for found in values.get("channels", [values]):
        channel = found.get("channel")
        title = images + ("" if channel is None else f"{title_of(channel, channels, found['name'])}: ")
        if "estimate" in found:
            yield "estimate", f"{title}{found['estimate']}: {found['reason']}"
        if noise_model_id := found.get("noise_model_id") or _reused_noise_model(plan, channel):
            yield "noise model", f"{title}{_described(noise_model_id, noise_model)}"


def _reused_noise_model(plan: list[PlanStep], channel: int | None) -> str | None:
    steps = (step for step in plan if (step.stage, step.channel) == ("noise_model", channel))
    return next((step.id for step in steps), None)


def _described(noise_model_id: str, noise_model: Callable[[str], NoiseModel]) -> str:
    try:
        found = noise_model(noise_model_id)
    except ServerRefusedError:
        # Somebody has deleted it, or the key may not see it; that must not keep the results away.
        return noise_model_id
    return f"{found.origin}, {describe_noise_model(found.parameters)}, {noise_model_id}"
