"""Scores of image files against their ground truth, plane by plane."""

from collections.abc import Callable, Iterator

from models_store.image_files.planes import PlaneSource
from models_store.job_requests.pair_rules import require_same_planes
from worker.engine.scores.metrics import ScoreImpossibleError, Scores, score


def score_planes(
    name: str,
    image: PlaneSource,
    truth_name: str,
    truth: PlaneSource,
    on_plane: Callable[[int, int], None],
) -> Iterator[Scores]:
    """Yield the scores of each plane; ground truth with a single plane serves for all planes.

    Raises InvalidRequestError for images of different sizes and ScoreImpossibleError.
    """
    require_same_planes(name, image.header, truth_name, truth.header)
    for plane, plane_yx in enumerate(image):
        try:
            yield score(plane_yx, truth[plane % len(truth)])
        except ScoreImpossibleError as error:
            raise ScoreImpossibleError(
                f"{name}, plane {plane}, against {truth_name}: {error.detail}"
            ) from error
        on_plane(plane + 1, len(image))
