"""Networks and noise models that a job names: they exist, or are made by a job, and fit what they are for."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import JobSpec
from models_store.contracts.noise_model_specs import BootstrapNoiseModelSpec, CheckNoiseModelSpec
from models_store.contracts.prediction_specs import PredictSpec
from models_store.contracts.spec_parts import PACKAGED, PRETRAINED, MadeByJob, Reference
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import ImageRole, Method, NoiseModelKind
from models_store.database.tables import Image, Job, NoiseModelRow, Profile
from models_store.errors import InvalidRequestError
from models_store.image_files.channels import channel_label
from models_store.image_files.header import ImageHeader
from models_store.job_requests.calibration_rules import require_calibration
from models_store.job_requests.pair_rules import require_role
from models_store.job_requests.training_rules import (
    require_blind_spot,
    require_method,
    require_network_of_single_planes,
    require_source_of_residuals,
    require_start,
    require_teacher,
    require_what_the_method_needs,
    require_what_the_preset_needs,
    require_what_the_pretrained_network_needs,
)
from models_store.repositories.camera_checks import noise_model_of_profile
from models_store.repositories.jobs.ends import stages_by_images
from models_store.repositories.jobs.lifecycle import require_obtainable
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.networks import get_network
from models_store.repositories.noise_models import get_noise_model

MAKERS = {
    "network": ("train", "denoise"),
    "noise_model": ("fit_noise_model", "bootstrap_noise_model", "pool_noise_model", "denoise"),
}
"""Kinds of jobs whose result can be referred to as a network or noise model."""

_MAKING_STAGES = {"network": "pn2v", "noise_model": "noise_model"}
"""Stages of denoise jobs that make them."""


def check_named_models(session: Session, spec: JobSpec) -> None:
    """Check what a job names. Raises NotFoundError, InvalidRequestError or ConflictError."""
    named = getattr(spec, "noise_model", None)
    for noise_model in named if isinstance(named, tuple) else [named]:
        if noise_model is not None:
            _check_reference(session, noise_model, "noise_model", get_noise_model)
            if isinstance(spec, DenoiseSpec) and spec.noise_model_kind is not None:
                _check_kind(get_noise_model(session, noise_model), spec.noise_model_kind)
    if isinstance(spec, DenoiseSpec):
        require_what_the_preset_needs(spec)
        _check_pretrained(session, spec, "pretrained", Method.PRETRAINED)
        _check_pretrained(session, spec, "pretrained_stack", Method.PRETRAINED_STACK)
    if isinstance(spec, TrainSpec):
        _check_training(session, spec)
    if isinstance(spec, PredictSpec):
        _check_prediction(session, spec)
    if isinstance(spec, BootstrapNoiseModelSpec) and spec.network != PRETRAINED:
        _check_reference(session, spec.network, "network", get_network)
        require_source_of_residuals(_method_of(session, spec.network), "network")


def _check_pretrained(
    session: Session, spec: DenoiseSpec | PredictSpec | TrainSpec, field: str, expected: Method
) -> None:
    """Check a field that names an imported network, or the one that comes with ClearScope."""
    named = getattr(spec, field)
    if named not in {None, PACKAGED}:
        require_method(get_network(session, named).method, field, expected)


def _check_prediction(session: Session, spec: PredictSpec) -> None:
    if spec.network != PRETRAINED:
        _check_reference(session, spec.network, "network", get_network)
    if uses_pretrained(session, spec):
        require_what_the_pretrained_network_needs(spec)
    else:
        require_network_of_single_planes(_method_of(session, spec.network), spec)
    _check_pretrained(session, spec, "pretrained_stack", Method.PRETRAINED_STACK)
    if spec.compare_with is not None:
        _check_reference(session, spec.compare_with, "network", get_network)
        require_blind_spot(_method_of(session, spec.compare_with), "compare_with")
    if spec.distilled is not None:
        _check_reference(session, spec.distilled, "network", get_network)
        require_method(_method_of(session, spec.distilled), "distilled", Method.DISTILLED)


def _check_training(session: Session, spec: TrainSpec) -> None:
    require_what_the_method_needs(spec)
    _check_pretrained(session, spec, "pretrained_stack", Method.PRETRAINED_STACK)
    if spec.teacher not in {None, PRETRAINED}:
        _check_reference(session, spec.teacher, "network", get_network)
        require_teacher(_method_of(session, spec.teacher), spec)
    if spec.start not in {None, PRETRAINED}:
        _check_reference(session, spec.start, "network", get_network)
        require_start(_method_of(session, spec.start), spec)


def _check_kind(noise_model: NoiseModelRow, expected: NoiseModelKind) -> None:
    if noise_model.kind != expected:
        raise InvalidRequestError(
            f"noise_model_kind: {noise_model.id} is of kind {noise_model.kind}, not {expected}; name another "
            "noise model, or leave the kind out"
        )


def check_sources(session: Session, spec: CheckNoiseModelSpec, images: list[Image]) -> None:
    """Check the source of the signal: the frames of calibration images, or a network."""
    if spec.network is None:
        if any(image.role is ImageRole.CALIBRATION for image in images):
            require_calibration(images)
        else:
            require_role(images, ImageRole.DATA, "image_ids")
        return
    require_role(images, ImageRole.DATA, "image_ids")
    _check_reference(session, spec.network, "network", get_network)
    require_blind_spot(_method_of(session, spec.network), "network")


def require_noise_model(
    session: Session, spec: CheckNoiseModelSpec, images: list[Image], profile: Profile | None
) -> None:
    """Raise NotFoundError if a check names no noise model and there is no active one."""
    if spec.noise_model is not None:
        return
    channel = spec.for_channel
    if channel is None and spec.channel is not None:
        channel = channel_label(ImageHeader.model_validate(images[0].header), spec.channel)
    noise_model_of_profile(session, profile.id if profile else None, channel)


def _check_reference(
    session: Session, reference: Reference, kind: str, get_stored: Callable[[Session, str], object]
) -> None:
    if not isinstance(reference, MadeByJob):
        get_stored(session, reference)
        return
    job = get_job(session, reference.job)
    if job.kind not in MAKERS[kind]:
        raise InvalidRequestError(
            f"job {job.id} is of kind {job.kind}, which makes no {kind.replace('_', ' ')}; "
            f"name one of kind {' or '.join(MAKERS[kind])}"
        )
    for several, of_each, part in (
        (len(stages_by_images(job.stages)) > 1, "kind", "groups"),
        (any(stage.channel is not None for stage in job.stages), "channel", "channels"),
    ):
        if several:
            raise InvalidRequestError(
                f"job {job.id} makes a {kind.replace('_', ' ')} for each {of_each} of its images; name one "
                f"of them by its id (in {part} of its result), once the job has ended"
            )
    _require_made(job, kind)
    require_obtainable(job)


def _require_made(job: Job, kind: str) -> None:
    """Raise InvalidRequestError if a denoise job was planned without making a network or noise model."""
    step = next((step for step in job.plan if step["stage"] == _MAKING_STAGES[kind]), None)
    if step is None or step["action"] == "compute":
        return
    if step["action"] == "reuse":
        raise InvalidRequestError(
            f"job {job.id} makes no {kind.replace('_', ' ')}, it reuses {step['id']}; name that one"
        )
    raise InvalidRequestError(
        f"job {job.id} makes no PN2V network: it uses a pretrained one ({step['why']}); name `pretrained` as "
        "network, and as distilled what was adapted from it (distilled_network_id of its result)"
    )


def uses_pretrained(session: Session, spec: PredictSpec) -> bool:
    return spec.network == PRETRAINED or _method_of(session, spec.network) is Method.PRETRAINED


def _method_of(session: Session, reference: Reference) -> Method:
    if isinstance(reference, MadeByJob):
        # A denoise job has no method; its network is the PN2V network.
        return Method(get_job(session, reference.job).spec.get("method", Method.PN2V))
    return get_network(session, reference).method
