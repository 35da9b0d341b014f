"""Warnings about an image: its file, and the pixels of each channel."""

from models_store.contracts.spec_parts import StructuredMask
from models_store.image_files.channels import channel_title
from models_store.image_files.header import ImageHeader
from models_store.survey.photon_gain import photon_gain_warning
from models_store.survey.survey import Survey
from models_store.survey.warnings import channel_warnings, survey_warnings

NOT_SURVEYED = (
    "its pixels have not been surveyed yet (that takes long, or the server was busy), so nothing is told of "
    "defects, saturation or correlated noise; they are surveyed when its preview is asked for, else by the "
    "first job that reads them, whose warnings tell what was found"
)


def image_warnings(
    header: ImageHeader,
    survey: Survey | None,
    mask: StructuredMask | None = None,
    only_channel: int | None = None,
) -> list[str]:
    """Return what to know before hours of work; of pixels that have not been surveyed, that they have not.

    `only_channel`: the only one of several channels that matters.
    """
    hidden = {"blind_y_px": mask.y_px, "blind_x_px": mask.x_px} if mask else {}
    if survey is None:
        stands_for_several = header.series is None and bool(header.series_in_file)
        return [*header.warnings, *([] if stands_for_several else [NOT_SURVEYED])]
    if not survey.channels:
        return [*header.warnings, *survey_warnings(survey, **hidden), *_gain_warnings(header, survey, 0)]
    of_channels = [
        f"{channel_title(header, channel)}: {text}"
        for channel, each in enumerate(survey.channels)
        if only_channel in {None, channel}
        for text in (*survey_warnings(each, **hidden), *_gain_warnings(header, each, channel))
    ]
    differ = channel_warnings(survey) if only_channel is None else []
    return [*header.warnings, *differ, *of_channels]


def _gain_warnings(header: ImageHeader, survey: Survey, channel: int) -> list[str]:
    if channel >= len(header.acquisition):
        return []
    settings = header.acquisition[channel]
    told = photon_gain_warning(survey.noise, settings.photon_conversion_factor, settings.bit_depth)
    return [told] if told else []
