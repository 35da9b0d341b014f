"""What an evaluate job is asked to compare."""

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
"""Of a candidate's name: what a cell of a table can hold."""


class ResultsOfJob(MadeByJob):
    """What a job has made, or will make, of each of its images."""

    output: Literal[Output.DENOISED, Output.PRIOR_MEAN, Output.MMSE] = Output.DENOISED


class UploadedResults(Spec):
    """Images as they were uploaded: noisy ones, or what something else made of them."""

    image_ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_IMAGES_PER_JOB)]


class Candidate(Spec):
    """Results of one method; several runs of it show how much they differ."""

    name: str = Field(
        pattern=rf"^{NAME_CHARACTER}{{1,100}}$", description="What its row of the table is called."
    )
    runs: Annotated[tuple[ResultsOfJob | UploadedResults, ...], Field(min_length=1, max_length=20)]


class EvaluateSpec(PostedSpec):
    """Scores of results against ground truth, side by side; each run has an image for each one of it."""

    kind: Literal["evaluate"] = "evaluate"
    ground_truth_ids: GroundTruthIds
    candidates: Annotated[tuple[Candidate, ...], Field(min_length=1, max_length=20)]
