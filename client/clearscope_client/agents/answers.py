"""What tools answer: of the server's documents, what an agent needs to go on and to tell its user."""

from typing import Any

from clearscope_client.documents import Job, NoiseModel, Preflight, UploadedImage

Answer = dict[str, Any]


def image_answer(image: UploadedImage) -> Answer:
    kept = {"id", "filename", "header", "origin", "profile_choice", "warnings", "series"}
    return image.model_dump(mode="json", include=kept, exclude_none=True)


def preflight_answer(preflight: Preflight) -> Answer:
    return preflight.model_dump(mode="json", exclude_none=True)


def job_answer(job: Job) -> Answer:
    """Return state, verdict, warnings and result files of a job."""
    told = {"id", "kind", "state", "progress", "stage", "status", "error"}
    answer = job.model_dump(mode="json", include=told, exclude_none=True)
    if result := job.result:
        answer["trust"] = result.trust and result.trust.model_dump(mode="json")
        answer["warnings"] = list(result.warnings)
        answer["files"] = [{"name": each.name, "size": each.size} for each in result.artifacts]
    return answer


def noise_model_answer(model: NoiseModel) -> Answer:
    kept = {"id", "version", "kind", "origin", "belongs_to", "channel", "active", "signal_min_adu"}
    kept |= {"signal_max_adu", "created_at", "drift"}
    return model.model_dump(mode="json", include=kept, exclude_none=True)
