"""Scores of image files against their ground truth: each plane, and the traces of movies."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from models_store.image_files.header import ImageHeader
from models_store.image_files.planes import PlaneSource
from models_store.image_files.stack_axis import StackAxis
from models_store.job_requests.pair_rules import require_same_planes
from worker.engine.scores.metrics import ScoreImpossibleError, Scores, score
from worker.engine.scores.scoreboard import Row
from worker.engine.scores.traces import TraceScore


@dataclass
class RunScores:
    """Scores of one run of a method: of each plane, and of each movie whose reference changes in time."""

    planes: list[Scores] = field(default_factory=list)
    trace_snrs_db: list[float] = field(default_factory=list)

    @classmethod
    def joined(cls, images: Iterable["RunScores"]) -> "RunScores":
        """Return the scores of several images as those of one run."""
        whole = cls()
        for image in images:
            whole.planes += image.planes
            whole.trace_snrs_db += image.trace_snrs_db
        return whole


def row_of(name: str, runs: Sequence[RunScores]) -> Row:
    """Return the row of a method in a table."""
    return Row(name, [run.planes for run in runs], [run.trace_snrs_db for run in runs])


def score_image(
    name: str,
    image: PlaneSource,
    truth_name: str,
    truth: PlaneSource,
    on_plane: Callable[[int, int], None],
) -> RunScores:
    """Score each plane, and each movie; ground truth with a single plane serves for all planes.

    Raises InvalidRequestError for images of different sizes and ScoreImpossibleError.
    """
    require_same_planes(name, image.header, truth_name, truth.header)
    scores = RunScores()
    movies: dict[int, TraceScore] = {}
    for plane, plane_yx in enumerate(image):
        truth_yx = truth[plane % len(truth)]
        try:
            scores.planes.append(score(plane_yx, truth_yx))
        except ScoreImpossibleError as error:
            raise ScoreImpossibleError(
                f"{name}, plane {plane + 1}, against {truth_name}: {error.detail}"
            ) from error
        if (movie := _movie_of(plane, truth.header)) is not None:
            movies.setdefault(movie, TraceScore()).add(plane_yx, truth_yx)
        on_plane(plane + 1, len(image))
    snrs_db = [movie.snr_db() for movie in movies.values()]
    scores.trace_snrs_db = [snr_db for snr_db in snrs_db if snr_db is not None]
    return scores


def _movie_of(plane: int, truth: ImageHeader) -> int | None:
    """Return the index of the first frame of the movie that a plane is part of; None without time."""
    axis = StackAxis.of(truth, one_channel=False)
    if axis is None or axis.name not in "TI":
        return None
    return plane - plane // axis.stride % axis.length * axis.stride
