"""Installation of request logging, metrics and traces."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import Scope

from app.http.dependencies import Services
from app.http.signed_links import without_link
from app.observability.request_log import RequestLog
from app.observability.request_metrics import HttpMetrics
from app.observability.store_metrics import StoreCollector
from models_store.telemetry.traces import Tracing

# Polled every few seconds: their spans would drown out all others.
UNTRACED = "healthz,readyz,metrics"
ADDRESS_ATTRIBUTES = ("http.url", "http.target", "url.full", "url.path")
"""Of the older conventions and of the newer ones, which OTEL_SEMCONV_STABILITY_OPT_IN chooses."""


def install_observability(app: FastAPI, services: Services, tracing: Tracing) -> None:
    """Log, count and trace every request. Call last: middleware added later would not be covered."""
    # The `_created` series would double the number of series without benefit.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped library
    requests = services.registry
    if services.settings.server_processes > 1:
        # The processes share metric files, so that each can report the total of all.
        requests = CollectorRegistry()
        MultiProcessCollector(services.registry)  # type: ignore[no-untyped-call]  # untyped library
    else:
        ProcessCollector(registry=services.registry)
    silence = services.settings.worker_silence
    services.registry.register(StoreCollector(services.database, services.clock, silence))
    templates: dict[object, str] = {
        route.endpoint: route.path for route in iter_route_contexts(app.routes) if route.path
    }
    app.add_middleware(RequestLog, metrics=HttpMetrics(requests), templates=templates)
    if tracing.enabled:
        FastAPIInstrumentor.instrument_app(
            app,
            tracer_provider=tracing.provider,
            excluded_urls=UNTRACED,
            exclude_spans=["receive", "send"],
            server_request_hook=drop_secrets,
        )


def drop_secrets(span: Span, scope: Scope) -> None:
    """Remove the query and signed links from the span's URL attributes: they may contain a secret."""
    path = without_link(scope["raw_path"].decode("ascii", "replace"))
    known = span.attributes if isinstance(span, ReadableSpan) else None
    for name, harmless in (*((each, path) for each in ADDRESS_ATTRIBUTES), ("url.query", "")):
        if known and name in known:
            span.set_attribute(name, harmless)
