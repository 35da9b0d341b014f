"""Rules for training: fields that each method requires or refuses, for jobs and commands alike."""

from collections.abc import Sequence

from models_store.contracts.denoise_spec import OF_INSTANT, DenoiseSpec
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.spec_parts import PRETRAINED, TrainingBudget
from models_store.contracts.train_spec import NEEDED_BY, TrainSpec
from models_store.contracts.vocabulary import Method, Output, Preset
from models_store.errors import FieldError
from models_store.job_requests.distillation_rule import why_nothing_is_distilled
from models_store.job_requests.prior_rule import require_what_the_prior_needs

_NEED = {
    "noise_model": "needs a noise model; name it, or train with method n2v",
    "ground_truth_ids": "learns from clean images; name one for each image, or train with method n2v",
    "teacher": "learns the estimates of a PN2V network; name one, or train with method pn2v",
}
_REFUSE = {
    "noise_model": "uses no noise model; leave it out, or train with method pn2v",
    "ground_truth_ids": "learns from noisy images alone; leave them out, or train with method care",
    "teacher": "has no teacher; leave it out, or train with method distilled",
}

_START_OF_DISTILLED = (
    "a distilled network starts from random weights, its teacher or the pretrained network; leave it out, or "
    "name pretrained"
)


def require_what_the_preset_needs(spec: DenoiseSpec) -> None:
    """Raise FieldError for a field that the preset does not use; `instant` trains nothing."""
    require_what_the_prior_needs(spec)
    if spec.preset.trains:
        return
    why = f"the preset {spec.preset} trains no network"
    if spec.budget != TrainingBudget():
        raise FieldError("budget", f"{why}; leave it out, or take the preset fast")
    if spec.hides_neighbours:
        raise FieldError("structured_mask", f"{why}; leave it out, or take the preset fast")
    _require_outputs_of_pretrained(spec.outputs)


def require_what_the_pretrained_network_needs(spec: PredictSpec) -> None:
    """Raise FieldError for a field that the pretrained network does not use."""
    if spec.refit_noise_model:
        raise FieldError(
            "refit_noise_model", "only PN2V networks use it, not the pretrained one; leave it out"
        )
    _require_outputs_of_pretrained(spec.outputs)


def require_network_of_single_planes(method: Method, spec: PredictSpec) -> None:
    """Raise FieldError if a network for planes with neighbours is used without one for single planes."""
    if method is Method.PRETRAINED_STACK:
        raise FieldError(
            "network",
            "the network is for planes with neighbours and competes with one for single planes; name it as "
            "pretrained_stack, beside the network pretrained or an imported one",
        )
    if spec.pretrained_stack is not None:
        raise FieldError(
            "pretrained_stack",
            f"its estimate competes with that of a pretrained network, and the job's is of method {method}; "
            "leave it out",
        )


def _require_outputs_of_pretrained(outputs: Sequence[Output]) -> None:
    for output in outputs:
        if output not in OF_INSTANT:
            known = " and ".join(OF_INSTANT)
            raise FieldError(
                "outputs", f"{output} is an estimate of PN2V; instant and the pretrained network have {known}"
            )


def require_what_the_method_needs(spec: TrainSpec) -> None:
    """Raise FieldError for a field that the method requires and lacks, or does not use."""
    name = _method_name(spec.method)
    if not spec.preset.trains:
        training = ", ".join(preset for preset in Preset if preset.trains)
        raise FieldError("preset", f"{spec.preset} trains no network; take one of {training}")
    for field, methods in NEEDED_BY.items():
        present = getattr(spec, field) is not None
        if present is not (spec.method in methods):
            raise FieldError(field, f"{name} {(_REFUSE if present else _NEED)[field]}")
    if spec.structured_mask is not None and not spec.method.is_blind_spot:
        raise FieldError(
            "structured_mask",
            f"{name} learns from all pixels and hides none; leave it out, or train with method n2v",
        )
    if spec.adapts:
        _require_adaptable(spec)
    elif spec.pretrained_stack is not None:
        raise FieldError(
            "pretrained_stack",
            "it is adapted with the pretrained network only; start from that, or leave it out",
        )
    if spec.teaches:
        _require_future_teacher(spec)
    if spec.method is Method.DISTILLED:
        _require_distillable(spec)
    elif spec.refit_noise_model:
        raise FieldError("refit_noise_model", f"{name} {_REFUSE['teacher']}")


def require_blind_spot(method: Method, field: str) -> None:
    """Raise FieldError unless networks of the method are blind-spot; residuals of others are not noise."""
    if not method.is_blind_spot:
        name = method.upper() if method is Method.CARE else method
        raise FieldError(field, f"a {name} network cannot tell noise from signal; name an N2V network")


def require_source_of_residuals(method: Method, field: str) -> None:
    """Raise FieldError unless what the network leaves of an image can be taken for noise."""
    if method is not Method.PRETRAINED:
        require_blind_spot(method, field)


def require_start(method: Method, spec: TrainSpec) -> None:
    """Raise FieldError if a training cannot start from a stored network of this method."""
    if method is Method.PRETRAINED_STACK:
        raise FieldError(
            "start", "no training starts from a network for planes with neighbours; leave it out"
        )
    if method is Method.PRETRAINED and not spec.adapts:
        raise FieldError(
            "start",
            "an imported network starts distilled networks that learn from it; name it as teacher too",
        )


def require_teacher(method: Method, spec: TrainSpec) -> None:
    """Raise FieldError unless a distilled network can learn from a stored network of this method."""
    if method is Method.PRETRAINED:
        _require_pretrained_teacher(spec)
    elif spec.start is not None and method is not Method.PRETRAINED_STACK:
        raise FieldError("start", _START_OF_DISTILLED)
    else:
        require_method(method, "teacher", Method.PN2V)


def require_method(method: Method, field: str, expected: Method) -> None:
    if method is not expected:
        raise FieldError(field, f"the network's method is {method}; name one of method {expected}")


def _method_name(method: Method) -> str:
    return "a distilled network" if method is Method.DISTILLED else method.upper()


def _require_future_teacher(spec: TrainSpec) -> None:
    if not spec.method.is_blind_spot:
        raise FieldError(
            "teaches", f"no distilled network learns from {_method_name(spec.method)}; leave it out"
        )
    if (reason := why_nothing_is_distilled(spec)) is not None:
        raise FieldError("teaches", f"{reason}; leave it out")


def _require_distillable(spec: TrainSpec) -> None:
    if not spec.preset.distils:
        distilling = " or ".join(preset for preset in Preset if preset.distils)
        raise FieldError("preset", f"{spec.preset} distils no network; take {distilling}")
    if spec.start not in {None, PRETRAINED, spec.teacher}:
        raise FieldError("start", _START_OF_DISTILLED)
    if spec.teacher == PRETRAINED:
        _require_pretrained_teacher(spec)


def _require_pretrained_teacher(spec: TrainSpec) -> None:
    if spec.start != spec.teacher:
        raise FieldError(
            "start", f"what learns from a pretrained network starts from it; name {spec.teacher}"
        )
    if spec.refit_noise_model:
        raise FieldError("refit_noise_model", "the pretrained network is no PN2V network; leave it out")


def _require_adaptable(spec: TrainSpec) -> None:
    """Raise FieldError unless the training can start from the pretrained network."""
    if spec.preset.adaptation_digest is None:
        raise FieldError("start", f"the preset {spec.preset} never uses the pretrained network; leave it out")
    if spec.method not in {Method.N2V, Method.DISTILLED}:
        raise FieldError(
            "start", f"{spec.method.upper()} does not start from the pretrained network; leave it out"
        )
    if spec.budget.features is not None:
        raise FieldError("budget", "features: the pretrained network has a size of its own; leave them out")
