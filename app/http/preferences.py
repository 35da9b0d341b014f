"""The Prefer header of RFC 7240, of which `wait` is understood."""

import re
from typing import Annotated

from fastapi import Header

MAX_WAIT_S = 30
"""Below the time after which proxies give up an answer (nginx: 60 s)."""

PREFERENCE_APPLIED = "Preference-Applied"
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?([0-9]{1,9})"?\s*(?=$|[,;])', re.IGNORECASE)

PreferHeader = Annotated[
    str | None,
    Header(
        description="`wait=10` (RFC 7240): answer once the job has ended, or after 10 s; at most "
        f"{MAX_WAIT_S}. `{PREFERENCE_APPLIED}` tells for how long the server was ready to wait; an answer "
        "without it came at once."
    ),
]


def preferred_wait_s(prefer: str | None) -> int:
    """Return for how long the server may wait; as the RFC asks, what is not understood is ignored."""
    found = _WAIT.search(prefer or "")
    return min(int(found[1]), MAX_WAIT_S) if found else 0
