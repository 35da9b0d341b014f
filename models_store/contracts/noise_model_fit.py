"""How well a noise model explains images."""

from typing import Literal

from pydantic import BaseModel

Verdict = Literal["ok", "warning", "refuse"]


class NoiseModelFit(BaseModel, frozen=True):
    """How well a noise model explains an image, with figures, and one sentence unless it does.

    `variance_ratio`: median of the variance of the image's noise relative to the model's, at the signals of
    both; None if too few are. `ratio_error`: its relative standard error. `outside_share`: share of the
    pixels whose signals the model does not know. `saturated_share`: share of the pixels that are saturated.
    """

    verdict: Verdict
    variance_ratio: float | None
    ratio_error: float | None
    outside_share: float
    saturated_share: float = 0.0
    other_levels: tuple[str, ...] = ()
    """Clauses about bit depth, offset and full scale that images and model do not share."""
    drifted: bool = False
    """Whether a check has found that the camera has drifted since the noise model was made."""
    told: str | None = None
