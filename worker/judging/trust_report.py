"""The trust report of a job as a JSON document: one sentence on top, and the figures behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models_store.contracts.trust import Trust
from models_store.survey.correlation import NeighbourCorrelation
from worker.judging.interval_coverage import interval_coverage
from worker.judging.trust import Evidence, Judgement, judgements


@dataclass(frozen=True)
class JudgedChannel:
    """A channel, or a whole image (None), with all that is told about its result.

    `choice`: chosen estimate, reason, and estimated mean squared errors. `noise_model`: what it is; None
    without one.
    """

    channel: int | None
    title: str
    evidence: Evidence
    correlation: NeighbourCorrelation | None
    choice: Mapping[str, Any]
    noise_model: Mapping[str, Any] | None
    interval_scale: Mapping[str, Any] | None = None

    @property
    def judgements(self) -> list[Judgement]:
        return judgements(self.evidence)


def trust_in(channels: Sequence[JudgedChannel]) -> Trust:
    """Return the verdict of the channel that is trusted least."""
    judged = [(each.judgements[0], each) for each in channels]
    if not judged:
        return Judgement("check", "no plane of it was denoised, all are copies of the source").told()
    worst, channel = max(judged, key=lambda pair: pair[0].rank)
    return worst.told(channel.title if len(judged) > 1 else "")


def trust_report(channels: Sequence[JudgedChannel], warnings: Sequence[str]) -> dict[str, Any]:
    """Return the document; `warnings`: those of the job."""
    return {
        "schema_version": 1,
        **trust_in(channels).model_dump(),
        "channels": [_document(each) for each in channels],
        "warnings": list(warnings),
    }


def _document(judged: JudgedChannel) -> dict[str, Any]:
    evidence = judged.evidence
    removed, figures = evidence.removed.figures(), evidence.figures
    worst = removed["worst"][0] if removed["worst"] else {}
    bins = figures.bins
    linearity = bins.linearity() if bins else None
    return {
        "channel": judged.channel,
        **judged.judgements[0].told().model_dump(),
        "reasons": [each.reason for each in judged.judgements],
        "judged_by": removed["judged_by"],
        "removed_noise": {
            "by_signal": [asdict(each) for each in bins.levels()] if bins else [],
            **removed["means"],
            "noise_correlation": asdict(judged.correlation) if judged.correlation else None,
            "worst_lost_detail": worst.get("lost_detail"),
            "planes_judged": removed["planes_judged"],
            "planes_that_do_not_fit": removed["planes_that_do_not_fit"],
            "worst_planes": removed["worst"],
        },
        "linearity": asdict(linearity) if linearity else None,
        "pixels": {
            **figures.counts(),
            "not_finite_px": removed["not_finite_px"],
            "saturated_share": evidence.saturated_share,
        },
        "choice": dict(judged.choice),
        "noise_model": dict(judged.noise_model) if judged.noise_model else None,
        "noise_model_fit": evidence.fit.model_dump() if evidence.fit else None,
        "posterior_std": {
            "mean_adu": figures.mean_std_adu,
            "rms_adu": figures.rms_std_adu,
            "scale": dict(judged.interval_scale) if judged.interval_scale else None,
            "calibration": interval_coverage(judged.choice["estimate"]),
        }
        if figures.std_px
        else None,
    }
