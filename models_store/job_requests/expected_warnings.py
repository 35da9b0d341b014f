"""Warnings about the images of a job, known before it is posted."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.job_specs import JobSpec, images_read
from models_store.contracts.spec_parts import StructuredMask
from models_store.contracts.train_spec import TrainSpec
from models_store.database.tables import Image
from models_store.image_files.header import ImageHeader
from models_store.image_files.image_warnings import NOT_SURVEYED, image_warnings
from models_store.job_requests.exposure_warnings import exposure_warnings
from models_store.job_requests.plan_series import images_alike
from models_store.repositories.images import get_images
from models_store.survey.survey import stored_survey
from models_store.survey.warnings import warnings_of_images

_NAMED = 3


def expected_warnings(session: Session, spec: JobSpec) -> list[str]:
    """Return the warnings about the images that a job would read; one tells of those without a survey."""
    images = get_images(session, images_read(spec))
    mask, channel = getattr(spec, "structured_mask", None), getattr(spec, "channel", None)
    trained_on = isinstance(spec, DenoiseSpec | TrainSpec) and spec.preset.trains
    together = [
        warning
        for group in (images_alike(spec, images) if trained_on else [])
        for warning in exposure_warnings(map(_header, group), channel)
    ]
    warnings = [(_title(image), _warnings(image, mask, channel)) for image in images]
    not_surveyed = [title for title, texts in warnings if NOT_SURVEYED in texts]
    if len(not_surveyed) > 1:
        warnings = [(title, [text for text in texts if text != NOT_SURVEYED]) for title, texts in warnings]
        warnings.append((_listed(not_surveyed), [NOT_SURVEYED]))
    return together + warnings_of_images(warnings)


def _header(image: Image) -> ImageHeader:
    return ImageHeader.model_validate(image.header)


def _title(image: Image) -> str:
    return image.filename if image.series is None else f"{image.filename}, series {image.series}"


def _listed(titles: Sequence[str]) -> str:
    more = f" and {len(titles) - _NAMED} more images" if len(titles) > _NAMED else ""
    return "; ".join(titles[:_NAMED]) + more


def _warnings(image: Image, mask: StructuredMask | None, channel: int | None) -> list[str]:
    return image_warnings(_header(image), stored_survey(image.survey), mask, channel)
