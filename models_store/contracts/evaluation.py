"""Specs of evaluate jobs."""

from typing import Annotated, Literal

from pydantic import Field

from models_store.contracts.spec_parts import (
    MAX_IMAGES_PER_JOB,
    GroundTruthIds,
    Id,
    MadeByJob,
    PostedSpec,
    Spec,
)
from models_store.contracts.vocabulary import Output

NAME_CHARACTER = r"[^\x00-\x1f|]"
"""Characters of a candidate's name: those that a table cell can hold."""


class ResultsOfJob(MadeByJob):
    """One output of a job, finished or not, for each of its images."""

    output: Literal[Output.DENOISED, Output.PRIOR_MEAN, Output.MMSE] = Output.DENOISED


class UploadedResults(Spec):
    """Uploaded images: the noisy ones, or results of another program."""

    image_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_IMAGES_PER_JOB)]


class Candidate(Spec):
    """Results of one method; several runs show their spread."""

    name: str = Field(pattern=rf"^{NAME_CHARACTER}{{1,100}}$", description="Name of its row in the table.")
    runs: Annotated[tuple[ResultsOfJob | UploadedResults, ...], Field(min_length=1, max_length=20)]


class EvaluateSpec(PostedSpec):
    """Scores of several methods against ground truth; each run has one image per ground truth image."""

    kind: Literal["evaluate"] = "evaluate"
    ground_truth_ids: GroundTruthIds
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1, max_length=20)]
