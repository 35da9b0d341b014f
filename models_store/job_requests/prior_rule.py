"""Rule that decides if a denoise job starts from the pretrained network; the only place that does."""

from models_store.contracts.denoise_spec import OF_INSTANT, DenoiseSpec
from models_store.contracts.spec_parts import TrainingBudget
from models_store.contracts.vocabulary import Prior
from models_store.errors import FieldError
from models_store.job_requests.distillation_rule import why_nothing_is_distilled
from models_store.survey.correlation import NeighbourCorrelation


def why_nothing_is_adapted(spec: DenoiseSpec, correlation: NeighbourCorrelation | None) -> str | None:
    """Return the reason why networks are trained from nothing, or None: the pretrained one is adapted.

    `correlation`: noise correlation of the images; None if it has not been measured yet.
    """
    if spec.prior is Prior.NONE:
        return "the job says prior none"
    if (obstacle := _obstacle(spec)) is not None:
        return obstacle[1]
    if correlation is None:
        return "whether the noise of these images correlates has not been measured yet"
    return why_nothing_is_distilled(spec, correlation)


def names_a_prior(spec: DenoiseSpec) -> bool:
    """Return whether the job itself says that it starts from a pretrained network."""
    named = (spec.pretrained, spec.pretrained_stack)
    return spec.prior is Prior.PRETRAINED or any(each is not None for each in named)


def require_what_the_prior_needs(spec: DenoiseSpec) -> None:
    """Raise FieldError if the job names a prior or a pretrained network that its other fields rule out."""
    if not spec.preset.trains and spec.prior is Prior.NONE:
        raise FieldError("prior", f"the preset {spec.preset} is the pretrained network; leave it out")
    named = [field for field in ("pretrained", "pretrained_stack") if getattr(spec, field) is not None]
    if named and spec.prior is Prior.NONE:
        raise FieldError(named[0], "the job says prior none; leave out one of them")
    if not spec.preset.trains or (obstacle := _obstacle(spec)) is None:
        return
    field, why = obstacle
    if spec.prior is Prior.PRETRAINED:
        raise FieldError("prior", f"{why}; leave out prior, or change {field}")
    if named:
        raise FieldError(named[0], f"{why}; leave out {named[0]}, or change {field}")


def _obstacle(spec: DenoiseSpec) -> tuple[str, str] | None:
    """Return the field of a job that keeps the pretrained network out of it, and why."""
    if spec.preset.adaptation_digest is None:
        return "preset", f"the preset {spec.preset} never uses the pretrained network"
    if spec.budget != TrainingBudget():
        return "budget", "the budget is that of networks trained from nothing"
    if spec.hides_neighbours:
        return (
            "structured_mask",
            "the structured mask is for correlated noise, which the network has not seen",
        )
    if any(output not in OF_INSTANT for output in spec.outputs):
        return "outputs", "PN2V's estimates are asked for"
    return None
