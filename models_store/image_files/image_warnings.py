"""Warnings about an image: its file, and the pixels of each channel."""

from models_store.image_files.channels import channel_title
from models_store.image_files.header import ImageHeader
from models_store.survey.survey import Survey
from models_store.survey.warnings import survey_warnings


def image_warnings(header: ImageHeader, survey: Survey | None) -> list[str]:
    """Return what to know before hours of work; of the pixels nothing if they have not been surveyed."""
    if survey is None:
        return list(header.warnings)
    if not survey.channels:
        return [*header.warnings, *survey_warnings(survey)]
    of_channels = [
        f"{channel_title(header, channel)}: {text}"
        for channel, each in enumerate(survey.channels)
        for text in survey_warnings(each)
    ]
    return [*header.warnings, *of_channels]
