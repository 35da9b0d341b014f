"""Rules for evaluate jobs: candidates must match the ground truth."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from models_store.contracts.evaluation import EvaluateSpec, ResultsOfJob
from models_store.contracts.vocabulary import ImageRole, Output
from models_store.database.tables import Image, Job, Profile
from models_store.errors import InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.pair_rules import describe_image, require_role, require_same_planes
from models_store.repositories.images import get_images
from models_store.repositories.jobs.lifecycle import require_obtainable
from models_store.repositories.jobs.rows import get_job
from models_store.repositories.microscopes import get_profiles

KINDS_WITH_RESULTS = ("denoise", "predict")


def require_comparable(session: Session, spec: EvaluateSpec) -> Profile | None:
    """Raise InvalidRequestError unless each run has an image per ground truth image, of the same size.

    Returns the profile that the job belongs to; None if it compares images of several microscopes.
    """
    names = [candidate.name for candidate in spec.candidates]
    if len(set(names)) < len(names):
        raise InvalidRequestError(
            "candidates: two have the same name; rename one of them, or make them runs of one candidate"
        )
    ground_truth = get_images(session, spec.ground_truth_ids)
    require_role(ground_truth, ImageRole.GROUND_TRUTH, "ground_truth_ids")
    profile_ids = [truth.profile_id for truth in ground_truth]
    for candidate in spec.candidates:
        for run in candidate.runs:
            if isinstance(run, ResultsOfJob):
                job = get_job(session, run.job)
                _require_results(job, run.output)
                _require_count(f"job {job.id}", job.spec["image_ids"], ground_truth)
                profile_ids.append(job.profile_id)
            else:
                images = get_images(session, run.image_ids)
                _require_pairs(candidate.name, images, ground_truth)
                profile_ids += [image.profile_id for image in images]
    return _profile_of_one_microscope(session, profile_ids)


def _require_results(job: Job, output: Output) -> None:
    if job.kind not in KINDS_WITH_RESULTS:
        raise InvalidRequestError(
            f"candidates: job {job.id} is of kind {job.kind}, which denoises no images; "
            f"name one of kind {' or '.join(KINDS_WITH_RESULTS)}"
        )
    outputs = job.spec["outputs"]
    if output not in outputs:
        raise InvalidRequestError(
            f"candidates: job {job.id} makes no {output}, only {', '.join(outputs)}; compare one of these"
        )
    require_obtainable(job)


def _require_pairs(name: str, images: Sequence[Image], ground_truth: Sequence[Image]) -> None:
    _require_count(f"a run of {name}", images, ground_truth)
    for image, truth in zip(images, ground_truth, strict=True):
        headers = ImageHeader.model_validate(image.header), ImageHeader.model_validate(truth.header)
        require_same_planes(describe_image(image), headers[0], describe_image(truth), headers[1])


def _require_count(what: str, images: Sequence[object], ground_truth: Sequence[Image]) -> None:
    if len(images) != len(ground_truth):
        raise InvalidRequestError(
            f"candidates: {what} has {len(images)} images and there is ground truth for {len(ground_truth)}; "
            "they are compared pairwise in order, so the numbers must be equal"
        )


def _profile_of_one_microscope(session: Session, profile_ids: Sequence[str | None]) -> Profile | None:
    found = list(dict.fromkeys(profile_id for profile_id in profile_ids if profile_id))
    profiles = get_profiles(session, found)
    return profiles[0] if len({profile.microscope_id for profile in profiles}) == 1 else None
