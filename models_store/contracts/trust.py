"""Whether to trust the result of a job, in one sentence."""

from typing import Literal, get_args

from pydantic import BaseModel

TRUST = "trust"
"""Key of the verdict in a job's result."""
FIGURES_OF_PART = "figures_of_part"
"""Key in the result of a part of a prediction; only the job that joins the parts reads it."""
TRUST_REPORT = "trust-report.json"
TRUST_PREVIEW = "trust-preview.png"

TrustVerdict = Literal["trust", "check", "do_not_trust"]


class Trust(BaseModel, frozen=True):
    """Verdict on a result, with its reason in one plain sentence.

    `check`: something is unusual, or could not be judged. The artifact `trust-report.json` has the figures.
    """

    verdict: TrustVerdict
    sentence: str

    @property
    def rank(self) -> int:
        """Return 0 for `trust`, and more the less the result is to be trusted."""
        return get_args(TrustVerdict).index(self.verdict)
