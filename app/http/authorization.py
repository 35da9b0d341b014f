"""Callers, and the scopes that a route requires of them."""

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
    description="Made by `clearscope keys create`. A server without keys listens on loopback only.",
)


@dataclass(frozen=True)
class Caller:
    """Who sent a request, and what they may do."""

    viewer: Viewer = ANYBODY
    scopes: frozenset[Scope] = frozenset()
    requests_per_minute: int | None = None
    quota: Quota | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise ForbiddenError, which names the scope that is missing."""
        if not self.may(scope):
            has = ", ".join(sorted(self.scopes)) or "none"
            raise ForbiddenError(f"this needs an API key with the scope {scope}; this one's scopes: {has}")

    def require_own(self, owner_id: str | None) -> None:
        """Raise ForbiddenError unless the caller's key made a thing, or may change what others made."""
        if owner_id is None or owner_id != self.viewer.key_id:
            self.require(Scope.CALIBRATE)


EVERYONE = Caller(scopes=frozenset(Scope))
"""The caller of a server that has no keys."""


NOBODY = Caller()


KINDS_THAT_CALIBRATE = frozenset({"bootstrap_noise_model", "fit_noise_model"})
"""Kinds of job that make a noise model for others, when posted by themselves."""


def caller_of(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


async def _authorize(
    request: Request,
    needed: SecurityScopes,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(SCHEME)],
) -> None:
    for scope in needed.scopes:
        caller_of(request).require(Scope(scope))


def requires(scope: Scope) -> Any:  # noqa: ANN401  # FastAPI's dependencies have no public type
    """Make a dependency of a route that needs this scope."""
    return Security(_authorize, scopes=[scope.value])


READ, SUBMIT, CALIBRATE, ADMIN = ([requires(scope)] for scope in Scope)
"""Dependencies of routes: what a key must allow. `admin` allows everything."""
