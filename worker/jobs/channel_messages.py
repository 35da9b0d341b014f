"""Messages about one of several channels, which name it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from models_store.contracts.outcomes import Outcome
from models_store.image_files.channels import channel_title
from worker.attempt.context import JobContext


def naming_channel(
    handler: Callable[[Any, JobContext], Outcome],
    spec: Any,  # noqa: ANN401  # the handler's
    channel: int,
    context: JobContext,
) -> Outcome:
    """Run the handler of a job that reads one channel; its progress and warnings name the channel."""
    title = channel_title(context.registry.header(spec.image_ids[0]), channel)
    named = replace(
        context,
        report=lambda fraction, status: context.report(fraction, f"{title}: {status}"),
        warn=lambda text: context.warn(f"{title}: {text}"),
    )
    outcome = handler(spec, named)
    if warnings := outcome.result.get("warnings"):
        result = {**outcome.result, "warnings": [f"{title}: {text}" for text in warnings]}
        return outcome.model_copy(update={"result": result})
    return outcome
