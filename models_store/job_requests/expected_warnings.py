"""Warnings about the images of a job, known before it is posted."""

from sqlalchemy.orm import Session

from models_store.contracts.job_specs import JobSpec, images_read
from models_store.repositories.images import get_images
from models_store.survey.survey import stored_survey
from models_store.survey.warnings import image_warnings, warnings_of_images


def expected_warnings(session: Session, spec: JobSpec) -> list[str]:
    """Return the warnings about the images that a job would read; images without a survey have none yet."""
    images = get_images(session, images_read(spec))
    surveyed = [(image.filename, stored_survey(image.survey)) for image in images]
    return warnings_of_images([(name, image_warnings(survey) if survey else []) for name, survey in surveyed])
