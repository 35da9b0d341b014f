"""Callers, and the scopes that routes require."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from models_store.contracts.vocabulary import Scope
from models_store.database.visibility import ANYBODY, Viewer
from models_store.errors import ForbiddenError
from models_store.repositories.usage import Quota

SCHEME = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    bearerFormat="cs_<prefix>_<secret>",
    description="Created by `clearscope keys create`. A server without keys listens on loopback only.",
)


@dataclass(frozen=True)
class Caller:
    """Sender of a request, with their visibility, scopes and limits."""

    viewer: Viewer = ANYBODY
    scopes: frozenset[Scope] = frozenset()
    requests_per_minute: int | None = None
    quota: Quota | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise ForbiddenError, naming the missing scope, unless the caller has it."""
        if not self.may(scope):
            scopes = ", ".join(sorted(self.scopes)) or "none"
            raise ForbiddenError(
                f"this needs an API key with the scope {scope}; the scopes of this key: {scopes}"
            )

    def require_own(self, owner_id: str | None) -> None:
        """Raise ForbiddenError unless the caller's key owns the resource or has the scope `calibrate`."""
        if owner_id is None or owner_id != self.viewer.key_id:
            self.require(Scope.CALIBRATE)


EVERYONE = Caller(scopes=frozenset(Scope))
"""Caller of a server without keys."""

NOBODY = Caller()
"""Caller of a public path."""

KINDS_THAT_CALIBRATE = frozenset({"bootstrap_noise_model", "fit_noise_model", "pool_noise_model"})
"""Job kinds that, posted on their own, change a noise model shared with others."""


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _authorize(
    request: Request,
    required: SecurityScopes,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(SCHEME)],
) -> None:
    for scope in required.scopes:
        caller_of(request).require(Scope(scope))


def requires(scope: Scope) -> Any:  # noqa: ANN401  # FastAPI's dependencies have no public type
    """Return a route dependency that requires this scope."""
    return Security(_authorize, scopes=[scope.value])


READ, SUBMIT, CALIBRATE, ADMIN = ([requires(scope)] for scope in Scope)
"""Route dependencies, one per scope; the scope `admin` includes all others."""
