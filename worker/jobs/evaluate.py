"""Job handler: score results against ground truth."""

import json
from collections.abc import Sequence

from models_store.contracts.evaluation import EvaluateSpec, ResultsOfJob, UploadedResults
from models_store.contracts.outcomes import MadeArtifact, Outcome
from worker.attempt.context import JobContext
from worker.attempt.progress import part_of
from worker.attempt.registry import KnownFile
from worker.engine.scores.scoreboard import Row, document, table
from worker.jobs.inputs import OpenImage, open_blob, open_images
from worker.judging.scoring import RunScores, row_of, score_image


def evaluate(spec: EvaluateSpec, context: JobContext) -> Outcome:
    """Score every plane of every run, with one result image open at a time."""
    with open_images(context, spec.ground_truth_ids) as truths:
        images = sum(len(candidate.runs) for candidate in spec.candidates) * len(truths)
        done = 0
        rows = []
        for candidate in spec.candidates:
            runs = []
            for run in candidate.runs:
                scores = []
                for result, truth in zip(_results(context, run), truths, strict=True):
                    scores.append(_score(context, result, truth, done / images, 1 / images))
                    done += 1
                runs.append(RunScores.joined(scores))
            rows.append(row_of(candidate.name, runs))
    return Outcome(artifacts=_artifacts(context, rows), result={"scores": document(rows)})


def _results(context: JobContext, run: ResultsOfJob | UploadedResults) -> list[KnownFile]:
    if isinstance(run, ResultsOfJob):
        return context.registry.results_of_images(run)
    return [
        KnownFile(image.title, image.blob_key, image.series)
        for image in context.registry.images(run.image_ids)
    ]


def _score(
    context: JobContext, result: KnownFile, truth: OpenImage, before: float, share: float
) -> RunScores:
    report = part_of(context.report, before, before + share)

    def on_plane(plane: int, planes: int) -> None:
        report(plane / planes, f"plane {plane} of {planes} of {result.title}")

    with open_blob(context, result.blob_key, result.series) as image:
        return score_image(result.title, image, truth.title, truth.reader, on_plane)


def _artifacts(context: JobContext, rows: Sequence[Row]) -> tuple[MadeArtifact, ...]:
    contents = {
        "scores.json": (json.dumps(document(rows, each=True), indent=2) + "\n", "application/json"),
        "scores.md": (table(rows), "text/markdown"),
    }
    return tuple(
        MadeArtifact(name=name, media_type=media_type, blob=context.store(name, content.encode()))
        for name, (content, media_type) in contents.items()
    )
