"""Trust report of a job's results, as artifacts and in its result."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.noise_models import NoiseModelParameters
from models_store.contracts.outcomes import MadeArtifact, Outcome
from models_store.contracts.provenance import ChannelProvenance
from models_store.contracts.trust import TRUST, TRUST_PREVIEW, TRUST_REPORT
from models_store.contracts.vocabulary import Method
from models_store.image_files.channels import channel_title
from models_store.job_requests.noise_model_fit import judge_fit
from models_store.survey.survey import Survey
from models_store.survey.warnings import other_light
from worker.attempt.context import JobContext
from worker.jobs.estimates import INTERVAL_SCALE
from worker.jobs.inputs import OpenImage, fit_of_images
from worker.jobs.result_preview import ResultPreview
from worker.judging.removed_noise import RemovedNoiseSummary
from worker.judging.result_figures import ResultFigures
from worker.judging.trust import Evidence
from worker.judging.trust_report import JudgedChannel, trust_in, trust_report


@dataclass(frozen=True)
class JudgedPlanes:
    """Figures of the results of a channel, or of whole images, and what their estimates were chosen by."""

    removed: RemovedNoiseSummary = field(default_factory=RemovedNoiseSummary)
    figures: ResultFigures = field(default_factory=ResultFigures)
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """Result of the job that chose the estimate."""


@dataclass(frozen=True)
class TrustInputs:
    """What the report of a job is made of; `made`: the noise model that the job itself made, if any."""

    context: JobContext
    images: Sequence[OpenImage]
    channels: Sequence[ChannelProvenance]
    judged: Mapping[int | None, JudgedPlanes]
    preview: ResultPreview
    made: NoiseModelParameters | None = None


def with_trust(outcome: Outcome, inputs: TrustInputs) -> Outcome:
    """Return the outcome of a job with the verdict in its result, and report and preview as artifacts."""
    channels = list(_judged_channels(inputs))
    report = trust_report(channels, outcome.result.get("warnings", ()))
    text = f"{json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)}\n"
    files = [(TRUST_REPORT, "application/json", text.encode())]
    if inputs.preview.png is not None:
        files.append((TRUST_PREVIEW, "image/png", inputs.preview.png))
    artifacts = tuple(
        MadeArtifact(name=name, media_type=media_type, blob=inputs.context.store(name, content))
        for name, media_type, content in files
    )
    result = outcome.result | {TRUST: trust_in(channels).model_dump()}
    return outcome.model_copy(update={"result": result, "artifacts": (*outcome.artifacts, *artifacts)})


def _judged_channels(inputs: TrustInputs) -> Iterator[JudgedChannel]:
    header = inputs.images[0].reader.header
    for made_by in inputs.channels:
        channel = made_by.channel
        planes = inputs.judged.get(channel, JudgedPlanes())
        survey = _survey(inputs, channel)
        named = made_by.noise_model
        yield JudgedChannel(
            channel=channel,
            title="" if channel is None else channel_title(header, channel),
            evidence=Evidence(
                removed=planes.removed,
                figures=planes.figures,
                fit=_fit(made_by, inputs, survey) if survey else None,
                bootstrapped=named is not None and named.origin.is_of_data,
                correlated=_correlated(survey, inputs.context) if survey else None,
                saturated_share=_saturated_share(survey) if survey else 0.0,
                few_levels=survey.values.few_levels if survey and survey.values else None,
                cut_off_share=_cut_off_share(survey) if survey else 0.0,
                swapped_bytes=bool(survey and survey.values and survey.values.swapped_bytes),
                own_scale=made_by.estimate == Method.CARE,
                other_light=other_light(survey.brightness) if survey and survey.brightness else None,
            ),
            correlation=survey.noise_correlation if survey else None,
            choice={
                "estimate": made_by.estimate,
                "reason": made_by.reason,
                "estimated_mse_adu2": planes.chosen.get("estimated_mse_adu2"),
            },
            interval_scale=planes.chosen.get(INTERVAL_SCALE),
            noise_model=named.model_dump(mode="json") if named else None,
        )


def _survey(inputs: TrustInputs, channel: int | None) -> Survey | None:
    """Return what is known of the images, or of one of their channels; None if some are not surveyed."""
    new = inputs.context.new_surveys
    found = [image.known.survey or new.get(image.image_id) for image in inputs.images]
    if channel is not None:
        found = [each.channels[channel] if each is not None and each.channels else None for each in found]
    known = [each for each in found if each is not None]
    return Survey.of(known) if len(known) == len(found) else None


def _fit(made_by: ChannelProvenance, inputs: TrustInputs, survey: Survey) -> NoiseModelFit | None:
    """Judge the noise model that was used; one of the registry also by the checks of its camera."""
    named, name = made_by.noise_model, "the noise model"
    if named is None:
        return None
    if named.id is None:
        return judge_fit(inputs.made, survey, name, bootstrapped=True) if inputs.made else None
    images = [replace(image, channel=made_by.channel) for image in inputs.images]
    return fit_of_images(inputs.context.registry.noise_model(named.id), images, survey, name)


def _correlated(survey: Survey, context: JobContext) -> str | None:
    """Return a sentence about correlated noise that no structured mask hides from the networks."""
    mask = getattr(context.registry.request(context.job_id).spec, "structured_mask", None)
    blind_y_px, blind_x_px = (mask.y_px, mask.x_px) if mask is not None else (0, 0)
    return survey.noise_correlation.warning(blind_y_px=blind_y_px, blind_x_px=blind_x_px)


def _cut_off_share(survey: Survey) -> float:
    defects = survey.defects
    return defects.cut_off_px / defects.pixels if defects.pixels else 0.0


def _saturated_share(survey: Survey) -> float:
    values = survey.values
    return values.saturated_px / values.pixels if values is not None and values.pixels else 0.0
