"""Middleware stack of the server, in order."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.trustedhost import TrustedHostMiddleware

from app.http import tus
from app.http.authentication import Authentication, KeyRing, Refuse
from app.http.body_limits import BodyLimit
from app.http.docs_page import install_docs
from app.http.lingering_close import LingeringClose
from app.http.linked_cors import LinkedCors, viewer_origins
from app.http.openapi import install_openapi
from app.http.rate_limits import RateLimits
from app.http.security_headers import SecurityHeaders
from app.http.skill_page import install_skill
from app.http.tus import TusProtocol
from models_store.settings import Settings

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
FILE_PATHS = frozenset({"/v1/images", "/v1/noise-models/import", "/v1/networks/import"})
"""Routes with a file as the raw body; they enforce their own size limits."""


def install_middleware(
    app: FastAPI, settings: Settings, keys: KeyRing, limits: RateLimits, refuse: Refuse
) -> None:
    """Install middleware and documentation routes; the middleware added last runs first."""
    app.add_middleware(BodyLimit, limit_bytes=settings.body_limit_bytes, takes_file=_takes_file)
    app.add_middleware(TusProtocol)
    app.add_middleware(Authentication, keys=keys, limits=limits, refuse=refuse)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PATCH", "DELETE"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Range"),
                *tus.REQUEST_HEADERS,
            ],
            expose_headers=[
                *("ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"),
                *tus.RESPONSE_HEADERS,
            ],
        )
    if viewers := viewer_origins(settings):
        origins = [*settings.cors_origins, *viewers]
        app.add_middleware(LinkedCors, origins=origins)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(settings), www_redirect=False)
    app.add_middleware(SecurityHeaders, hsts_max_age_s=settings.hsts_max_age_s)
    app.add_middleware(LingeringClose)
    install_openapi(app, keys)
    install_docs(app)
    install_skill(app)


def _takes_file(path: str) -> bool:
    return path in FILE_PATHS or tus.is_upload_path(path)


def allowed_hosts(settings: Settings) -> list[str]:
    """Return the allowed values of the Host header.

    On loopback they are restricted, because DNS rebinding would let a foreign web page reach a server
    without keys. Beyond loopback the server has keys, which such a page lacks.
    """
    if settings.allowed_hosts:
        return [*settings.allowed_hosts, *LOOPBACK_NAMES]
    return [*LOOPBACK_NAMES, settings.host] if settings.listens_on_loopback else ["*"]
