"""Scoring results against ground truth, as a job."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from models_store.contracts.evaluation import EvaluateSpec, ResultsOfJob, UploadedResults
from models_store.contracts.outcomes import MadeArtifact, Outcome
from models_store.image_files.tiff.reader import PlaneReader, open_planes
from models_store.job_requests.evaluation_rules import find_results
from models_store.repositories.images import get_images
from worker.attempt.context import JobContext
from worker.engine.scores.metrics import Scores
from worker.engine.scores.scoreboard import Row, document, table
from worker.jobs.inputs import OpenImage, open_images
from worker.judging.scoring import score_planes


@dataclass(frozen=True)
class _Stored:
    """A result among the blobs."""

    filename: str
    blob_key: str


def evaluate(spec: EvaluateSpec, context: JobContext) -> Outcome:
    """Score every plane of every run; of the results, one image is open at a time."""
    with open_images(context, spec.ground_truth_ids) as truths:
        images = sum(len(candidate.runs) for candidate in spec.candidates) * len(truths)
        done = 0
        rows = []
        for candidate in spec.candidates:
            runs = []
            for run in candidate.runs:
                scores: list[Scores] = []
                for result, truth in zip(_results(context, run), truths, strict=True):
                    scores += _score(context, result, truth, done / images, 1 / images)
                    done += 1
                runs.append(scores)
            rows.append(Row(candidate.name, runs))
    return Outcome(artifacts=_artifacts(context, rows), result={"scores": document(rows)})


def _results(context: JobContext, run: ResultsOfJob | UploadedResults) -> list[_Stored]:
    with context.database.read() as session:
        if isinstance(run, ResultsOfJob):
            return [_Stored(row.name, row.blob_key) for row in find_results(session, run)]
        return [_Stored(row.filename, row.blob_key) for row in get_images(session, run.image_ids)]


def _score(
    context: JobContext, result: _Stored, truth: OpenImage, before: float, share: float
) -> Iterator[Scores]:
    def report(plane: int, planes: int) -> None:
        context.report(before + share * plane / planes, f"plane {plane} of {planes} of {result.filename}")

    with _opened(context, result) as image:
        yield from score_planes(result.filename, image, truth.filename, truth.reader, report)


@contextmanager
def _opened(context: JobContext, stored: _Stored) -> Iterator[PlaneReader]:
    with context.blobs.as_file(stored.blob_key) as path, open_planes(path) as planes:
        yield planes


def _artifacts(context: JobContext, rows: Sequence[Row]) -> tuple[MadeArtifact, ...]:
    contents = {
        "scores.json": (json.dumps(document(rows, each=True), indent=2) + "\n", "application/json"),
        "scores.md": (table(rows), "text/markdown"),
    }
    return tuple(
        MadeArtifact(name=name, media_type=media_type, blob=context.store(name, content.encode()))
        for name, (content, media_type) in contents.items()
    )
