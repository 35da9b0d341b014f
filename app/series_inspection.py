"""Inspection of an uploaded file that holds several images, some of which are looked at."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from models_store.clock_and_ids import Clock
from models_store.errors import ImageContentError, ImageError, ImageTooLargeError, ReaderFailedError
from models_store.image_files.header import ImageHeader, ImageLimits
from models_store.image_files.images_in_file import ImagesInFile
from models_store.image_files.isolation.isolated_planes import IsolatedPlanes
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.sources import RangedFile
from models_store.repositories.images import SeriesOfUpload
from models_store.survey.survey import Survey

MOST_INSPECTED = 8
"""Images whose pixels are looked at; the others are surveyed by the first job that reads them."""
_MOST_EMPTY = 64
_SHARE_OF_TIME = 0.5
_SURVEYED_PX_PER_S = 2_000_000
"""Pixels of a plane that are surveyed in a second of processor time."""


@dataclass(frozen=True)
class InspectedSeries:
    """The images of a file, the header of its upload, and a preview of the first one with data."""

    header: ImageHeader
    preview: bytes
    series: list[SeriesOfUpload]


def inspect_series(
    reader: Reader, file: Path | RangedFile, limits: ImageLimits, clock: Clock, timeout_s: float
) -> InspectedSeries:
    """List the images of a file, and look at the pixels of the first ones, within half of the time limit.

    Raises the errors of `inspect` if the file is broken, or if all images that were looked at are empty.
    """
    listed = reader.list_images(file, limits)
    stop_at = clock() + timedelta(seconds=_SHARE_OF_TIME * timeout_s)
    looked_at: dict[int | None, SeriesOfUpload] = {}
    empty: dict[int | None, ImageContentError] = {}
    preview = b""
    for header in listed.headers:
        enough = len(looked_at) >= MOST_INSPECTED or clock() > stop_at
        if (looked_at and enough) or len(empty) >= _MOST_EMPTY:
            break
        try:
            planes, png = reader.inspect(file, limits, header.series)
        except ImageContentError as error:
            empty[header.series] = error
            continue
        preview = preview or png
        looked_at[header.series] = SeriesOfUpload(
            _alone(header, listed), survey_if_possible(planes, timeout_s)
        )
    if not looked_at:
        raise next(iter(empty.values()))
    series = [
        looked_at.get(header.series) or SeriesOfUpload(_alone(header, listed), None)
        for header in listed.headers
        if header.series not in empty
    ]
    reasons = {number: error.detail for number, error in empty.items()}
    return InspectedSeries(_header_of_upload(series, listed, reasons), preview, series)


def survey_if_possible(planes: IsolatedPlanes, processor_s: float) -> Survey | None:
    """Return the survey of an image, or None if it fails or would take longer than so much processor time.

    A plane not inspected so far may be broken: the first job that needs the survey reports it by its number.
    """
    if planes.header.height_px * planes.header.width_px > _SURVEYED_PX_PER_S * processor_s:
        return None
    with suppress(ImageError, ImageTooLargeError, ReaderFailedError):
        return planes.survey()
    return None


def _alone(header: ImageHeader, listed: ImagesInFile) -> ImageHeader:
    """Return the header of an image with its own entry of the list, which has its name."""
    own = tuple(entry for entry in listed.entries if entry.index == header.series)
    return header.model_copy(update={"series_in_file": own})


def _header_of_upload(
    series: list[SeriesOfUpload], listed: ImagesInFile, empty: dict[int | None, str]
) -> ImageHeader:
    """Return the header of the first image, with the list of all."""
    entries = tuple(
        entry.model_copy(update={"unusable": entry.unusable or empty.get(entry.index)})
        for entry in listed.entries
    )
    told = [f"the file holds {len(entries)} images, of which {len(series)} can be denoised"]
    surveyed = sum(each.survey is not None for each in series)
    if surveyed < len(series):
        told.append(
            f"the pixels of {surveyed} of {len(series)} images were surveyed; those of the others are when a "
            "job or a preview first reads them"
        )
    first = series[0].header
    return first.model_copy(update={"series": None, "series_in_file": entries, "warnings": tuple(told)})
