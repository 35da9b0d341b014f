"""Jobs on uploads that hold several images: these take the place of the upload."""

from collections.abc import Mapping, Sequence

from sqlalchemy.orm import Session

from models_store.contracts.evaluation import EvaluateSpec, UploadedResults
from models_store.contracts.job_specs import JobSpec, images_read
from models_store.contracts.spec_parts import MAX_IMAGES_PER_JOB
from models_store.errors import FieldError, InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.job_requests.pair_rules import describe_image
from models_store.repositories.images import Series, get_image, get_images, series_of_uploads

_LISTS = ("image_ids", "ground_truth_ids", "data_image_ids", "dark_image_ids")
_SHOWN = 20


def expand_series(session: Session, spec: JobSpec) -> JobSpec:
    """Return the job with the images of each upload that holds several: those it names, or all.

    Raises InvalidRequestError if one that is named is not there, or cannot be denoised.
    """
    found = series_of_uploads(session, images_read(spec))
    if not found:
        if spec.series is not None:
            get_images(session, images_read(spec))  # raises if one is unknown
            raise FieldError("series", "no image of this job has a file with several; leave it out")
        return spec
    chosen = {upload_id: _chosen(session, each, spec.series) for upload_id, each in found.items()}
    lists = {name: _expanded(name, ids, chosen) for name in _LISTS if (ids := getattr(spec, name, None))}
    if isinstance(spec, EvaluateSpec):
        candidates = tuple(
            candidate.model_copy(update={"runs": tuple(_expanded_run(run, chosen) for run in candidate.runs)})
            for candidate in spec.candidates
        )
        return spec.model_copy(update={**lists, "candidates": candidates, "series": None})
    return spec.model_copy(update={**lists, "series": None})


def _chosen(session: Session, found: Sequence[Series], series: Sequence[int] | None) -> list[str]:
    image_ids = {each.series: each.image_id for each in found}
    if series is None:
        return list(image_ids.values())
    for number in series:
        if number not in image_ids:
            raise FieldError("series", _missing(session, found, number))
    return [image_ids[number] for number in series]


def _missing(session: Session, found: Sequence[Series], number: int) -> str:
    upload = get_image(session, found[0].parent_id)
    entries = ImageHeader.model_validate(upload.header).series_in_file
    reason = next((each.unusable for each in entries if each.index == number), None)
    if reason is not None:
        return f"number {number} of {describe_image(upload)} cannot be denoised: {reason}"
    usable = ", ".join(str(each.series) for each in found[:_SHOWN])
    more = ", ..." if len(found) > _SHOWN else ""
    return f"{describe_image(upload)} has no number {number}; name some of {usable}{more}"


def _expanded(name: str, image_ids: Sequence[str], chosen: Mapping[str, Sequence[str]]) -> list[str]:
    expanded = [each for image_id in image_ids for each in chosen.get(image_id, [image_id])]
    if len(expanded) > MAX_IMAGES_PER_JOB:
        raise InvalidRequestError(
            f"{name}: the files hold {len(expanded)} images, and a job works on at most "
            f"{MAX_IMAGES_PER_JOB}; name some by their numbers, as series"
        )
    if name == "image_ids" and len(set(expanded)) < len(expanded):
        raise InvalidRequestError(f"{name}: one is named twice, alone and with the upload that it is part of")
    return expanded


def _expanded_run(run: object, chosen: Mapping[str, Sequence[str]]) -> object:
    if not isinstance(run, UploadedResults):
        return run
    return run.model_copy(update={"image_ids": _expanded("candidates", run.image_ids, chosen)})
