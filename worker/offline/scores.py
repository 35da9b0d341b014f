"""Score files against ground truth in this process, without a server."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models_store.errors import InvalidRequestError
from models_store.image_files.isolation.launch import ReadingService
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import OF_COMMANDS
from models_store.image_files.planes import PlaneSource
from worker.engine.scores.metrics import ScoreImpossibleError
from worker.engine.scores.scoreboard import Row
from worker.judging.scoring import RunScores, row_of, score_image
from worker.offline.files import naming_file
from worker.offline.series import series_in


@dataclass(frozen=True)
class NamedFiles:
    """Result files of one method: for each run, one file per ground truth file, in the same order."""

    name: str
    files: Sequence[Path]


def score_files(
    candidates: Sequence[NamedFiles],
    ground_truth: Sequence[Path],
    on_progress: Callable[[float, str], None],
    *,
    series: int | None = None,
) -> list[Row]:
    """Score every plane of every file, `series` of those that hold several images.

    Raises InvalidRequestError for unreadable or incomparable files.
    """
    for candidate in candidates:
        if len(candidate.files) % len(ground_truth):
            raise InvalidRequestError(
                f"{candidate.name}: {len(candidate.files)} files for {len(ground_truth)} of ground truth; "
                f"give one for each of them, and as many again for each further run"
            )
    with ReadingService().running() as isolation, isolation.reader(OF_COMMANDS) as reader:
        files = [path for candidate in candidates for path in candidate.files]
        chosen = series_in(reader, list(dict.fromkeys([*ground_truth, *files])), series)
        truths = [_open(reader, path, chosen[path]) for path in ground_truth]
        total = sum(len(candidate.files) for candidate in candidates)
        done = 0
        rows = []
        for candidate in candidates:
            scores: list[RunScores] = []
            for number, path in enumerate(candidate.files):
                index = number % len(truths)
                image = _open(reader, path, chosen[path])
                scores.append(_score(path, image, ground_truth[index], truths[index]))
                done += 1
                on_progress(done / total, str(path))
            rows.append(row_of(candidate.name, _runs(scores, len(truths))))
    return rows


def _runs(scores: Sequence[RunScores], fields: int) -> list[RunScores]:
    """Group scores by run, joining the planes of all fields of view."""
    firsts = range(0, len(scores), fields)
    return [RunScores.joined(scores[first : first + fields]) for first in firsts]


def _open(reader: Reader, path: Path, series: int | None) -> PlaneSource:
    with naming_file(path):
        return reader.open(path, series=series)


def _score(path: Path, image: PlaneSource, truth_path: Path, truth: PlaneSource) -> RunScores:
    try:
        return score_image(str(path), image, str(truth_path), truth, lambda _plane, _planes: None)
    except ScoreImpossibleError as error:
        raise InvalidRequestError(error.detail) from error
