"""Warnings about the images of a job, known before it is posted."""

from sqlalchemy.orm import Session

from models_store.contracts.job_specs import JobSpec, images_read
from models_store.repositories.images import get_images
from models_store.survey.survey import Survey
from models_store.survey.warnings import image_warnings, warnings_of_images


def expected_warnings(session: Session, spec: JobSpec) -> list[str]:
    """Return the warnings about the images that a job would read; images without a survey have none yet."""
    images = get_images(session, images_read(spec))
    return warnings_of_images(
        [
            (image.filename, image_warnings(Survey.model_validate(image.survey)) if image.survey else [])
            for image in images
        ]
    )
