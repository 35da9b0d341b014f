"""Whether to trust a result: the verdict, and one plain sentence with its reason."""

from collections.abc import Iterator
from dataclasses import dataclass

from models_store.contracts.noise_model_fit import NoiseModelFit
from models_store.contracts.trust import Trust, TrustVerdict
from worker.engine.noise.measuring.coverage import MAX_OUTSIDE
from worker.engine.noise.measuring.noise_verdict import COMPARE
from worker.judging.removed_noise import RemovedNoiseSummary
from worker.judging.result_figures import ResultFigures

FAR_BEYOND = 2.0
"""Multiple of its limit from which on a figure spoils a result rather than casts doubt on it."""
MAX_OUTLIERS = 0.01
MAX_SATURATED = 0.001
MAX_CUT_OFF = 0.01
_MOST = 0.5
_BEGINNINGS: dict[TrustVerdict, str] = {
    "trust": "Trust this result",
    "check": "Check this result against its source before you measure on it",
    "do_not_trust": "Do not trust this result",
}


@dataclass(frozen=True)
class Evidence:
    """What is known of the result of a channel, or of a whole image.

    `fit`: how the noise model explains the noise of the images; None without one. `bootstrapped`: whether it
    was made from such images, so that its range says little. `correlated`: a sentence if the noise of
    neighbouring pixels is correlated. `few_levels`: the number of different values of the image, if it is too
    small to tell noise from signal. `cut_off_share`: of the pixels of the image that have its lowest value
    in place of lower ones. `swapped_bytes`: whether the bytes of its pixels are. `own_scale`: whether the
    result is on a scale of its own. `other_light`: which planes have how much more or less light than those
    beside them, if any do.
    """

    removed: RemovedNoiseSummary
    figures: ResultFigures
    fit: NoiseModelFit | None = None
    bootstrapped: bool = True
    correlated: str | None = None
    saturated_share: float = 0.0
    few_levels: int | None = None
    own_scale: bool = False
    other_light: str | None = None
    cut_off_share: float = 0.0
    swapped_bytes: bool = False


@dataclass(frozen=True)
class Judgement:
    """A verdict and its reason, a clause without a full stop."""

    verdict: TrustVerdict
    reason: str

    @property
    def rank(self) -> int:
        return self.told().rank

    def told(self, of: str = "") -> Trust:
        """Return the sentence; `of` names what the reason is about."""
        where = f"{of}: " if of else ""
        return Trust(verdict=self.verdict, sentence=f"{_BEGINNINGS[self.verdict]}: {where}{self.reason}.")


def judgements(evidence: Evidence) -> list[Judgement]:
    """Return every reason for doubt, the gravest first; if there is none, the reason to trust."""
    found = sorted(_doubts(evidence), key=lambda each: -each.rank)
    return found or [Judgement("trust", _why(evidence))]


def _doubts(evidence: Evidence) -> Iterator[Judgement]:
    removed, figures = evidence.removed, evidence.figures
    if removed.not_finite_px:
        yield Judgement(
            "do_not_trust",
            f"{removed.not_finite_px} of its pixels are NaN or infinite, and those of the image are not",
        )
    if removed.planes_that_do_not_fit:
        yield _misfit(removed, evidence.other_light)
    if not removed.planes_judged:
        yield Judgement("check", _why_not_judged(figures))
    if evidence.fit is not None and evidence.fit.told is not None:
        refused = evidence.fit.verdict == "refuse"
        yield Judgement("do_not_trust" if refused else "check", evidence.fit.told)
    if evidence.correlated is not None:
        yield Judgement("check", evidence.correlated)
    if evidence.few_levels is not None:
        yield Judgement(
            "check",
            f"the pixels of the image have only {evidence.few_levels} different values, too few to tell "
            "noise from signal",
        )
    if evidence.swapped_bytes:
        yield Judgement(
            "do_not_trust",
            "the two bytes of each pixel of the image look swapped, so it is not what was seen",
        )
    yield from _pixels(evidence)
    if evidence.own_scale:
        yield Judgement(
            "check",
            "its network learned the scale of a ground truth, so that nothing tells whether its brightness "
            "is that of this image; what was removed has no structure",
        )


def _misfit(removed: RemovedNoiseSummary, other_light: str | None) -> Judgement:
    worst = removed.worst[0]
    count = removed.planes_that_do_not_fit
    text = worst["verdict"].removesuffix(f"; {COMPARE}")
    grave = worst["severity"] >= FAR_BEYOND and count >= _MOST * removed.planes_judged
    if removed.planes > 1:
        where = f"{worst['image']}, plane {worst['plane']}"
        text = (
            f"{where}: {text}"
            if count == 1
            else f"{count} of {removed.planes} planes may be wrong, most of all {where}: {text}"
        )
        if other_light is not None and count > 1:
            text += (
                f"; {other_light}, and one noise model is made of all planes, so denoise those with other "
                "light on their own if their values were scaled"
            )
    return Judgement("do_not_trust" if grave else "check", text)


def _pixels(evidence: Evidence) -> Iterator[Judgement]:
    figures = evidence.figures
    measured = max(figures.measured_px, 1)
    outside = (figures.below_px + figures.above_px) / measured
    if outside > MAX_OUTSIDE and not evidence.bootstrapped:
        yield Judgement(
            "check",
            f"{_percent(outside)} of its pixels have signals that the noise model was not made for; their "
            "noise is assumed to be as at the nearest end of its range",
        )
    outliers = figures.outlier_px / measured
    if outliers > MAX_OUTLIERS:
        yield Judgement(
            "check",
            f"{_percent(outliers)} of its pixels are estimates from their neighbours: the image's were hot, "
            "dead, dropped out or overwritten",
        )
    if evidence.cut_off_share > MAX_CUT_OFF:
        yield Judgement(
            "check",
            f"{_percent(evidence.cut_off_share)} of the image's pixels have its lowest value in place of "
            "lower ones, so that its dim parts are wrong on average",
        )
    told = evidence.fit is not None and evidence.fit.saturated_share > MAX_SATURATED
    if evidence.saturated_share > MAX_SATURATED and not told:
        yield Judgement(
            "check",
            f"{_percent(evidence.saturated_share)} of the image's pixels are saturated, their signal unknown",
        )


def _why_not_judged(figures: ResultFigures) -> str:
    if figures.planes == figures.empty_planes:
        return "every plane is empty (one value, or none), and was left as it is"
    return (
        "it could not be judged, as no plane has enough pixels with a measurement and noise to compare with"
    )


def _why(evidence: Evidence) -> str:
    removed = evidence.removed
    means = removed.figures()["means"]
    planes = "its plane" if removed.planes == 1 else f"each of its {removed.planes_judged} planes with data"
    if removed.planes_judged == removed.planes > 1:
        planes = f"each of its {removed.planes} planes"
    variance = f"{means['variance']:.2f} times its variance, " if removed.by_model else ""
    correlation = max(means["correlation_y"], means["correlation_x"], key=abs)
    noise = "the noise model" if removed.by_model else "a line fitted to the plane"
    linearity = evidence.figures.bins.linearity() if evidence.figures.bins else None
    follows = f", and it follows the source with a slope of {linearity.slope:.2f}" if linearity else ""
    outliers_px = evidence.figures.outlier_px
    share = _percent(outliers_px / max(evidence.figures.measured_px, 1))
    replaced = f"; {share} of its pixels are estimates from their neighbours" if outliers_px else ""
    return (
        f"what was removed from {planes} is noise as {noise} describes it ({variance}neighbours correlate by "
        f"{correlation:+.2f}), without structure{follows}{replaced}"
    )


def _percent(share: float) -> str:
    return f"{float(f'{100 * share:.2g}'):g} %"
