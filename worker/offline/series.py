"""Images of a command's file that are denoised: all that can be, or those that are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models_store.errors import ImageContentError, InvalidRequestError
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation.reader import Reader
from models_store.job_requests.series_groups import SeriesFacts, recorded_alike
from models_store.survey.survey import Survey
from worker.offline.file_names import of_series
from worker.offline.files import naming_file
from worker.offline.run import OfflineRun


def series_in(reader: Reader, files: Sequence[Path], series: int | None) -> dict[Path, int | None]:
    """Return the series of each file that a number stands for: None for files of a single image.

    Raises InvalidRequestError that names a file that is unreadable, or if none holds several images.
    """
    if series is None:
        return dict.fromkeys(files)
    chosen = {}
    for path in files:
        with naming_file(path):
            chosen[path] = series if reader.list_images(path).entries else None
    if files and set(chosen.values()) == {None}:
        raise InvalidRequestError(f"--series: {files[0]} holds a single image; leave the option out")
    return chosen


@dataclass(frozen=True)
class OfflineImage:
    """An image of a command's file, and the file of its result."""

    image_id: str
    header: ImageHeader
    survey: Survey
    target: Path

    @property
    def series(self) -> int | None:
        return self.header.series


def images_alike(
    run: OfflineRun, source: Path, target: Path, asked: Sequence[int]
) -> list[list[OfflineImage]]:
    """Inspect and survey the images of a file, and group those that share networks and noise models.

    `asked`: their numbers; if there are none, all that can be denoised. One image alone is written to
    `target`, several to files named after it. Raises like `OfflineRun.add_image`.
    """
    if len(set(asked)) < len(asked):
        raise InvalidRequestError("--series: each number may be named only once")
    numbers: list[int | None] = list(asked)
    if not asked:
        usable = [each.series for each in run.reader.list_images(source).headers]
        numbers = usable if len(usable) > 1 else [None]
    several = len(numbers) > 1
    added = {}
    for number in numbers:
        try:
            image_id, header, survey = run.add_image(source, number, named=several)
        except ImageContentError as error:
            if asked or len(numbers) == 1:
                raise
            run.warn_once(f"series {number} is left out: {error.detail}")
        else:
            path = of_series(target, header.series if several else None)
            added[image_id] = OfflineImage(image_id, header, survey, path)
    if not added:
        raise ImageContentError("every image in the file is empty; there is nothing to denoise")
    groups = recorded_alike({key: SeriesFacts(image.header, image.survey) for key, image in added.items()})
    return [[added[key] for key in group] for group in groups]
