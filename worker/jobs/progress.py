"""Progress of the training of a job."""

from collections.abc import Callable

from worker.attempt.context import Report
from worker.engine.training.loop import TrainingStep


def report_steps(report: Report) -> Callable[[TrainingStep], None]:
    """Return a callback that reports every step with the latest validation loss."""
    validation = ""

    def on_step(step: TrainingStep) -> None:
        nonlocal validation
        if step.validation_loss is not None:
            validation = f", validation {step.validation_loss:.4f}"
        report(step.step / step.steps, f"step {step.step} of {step.steps}, loss {step.loss:.4f}{validation}")

    return on_step
