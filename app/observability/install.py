"""What operators see of the server: requests in log, metrics and traces."""

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import Span
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import Scope

from app.http.dependencies import Services
from app.observability.request_log import RequestLog
from app.observability.request_metrics import HttpMetrics
from app.observability.store_metrics import StoreCollector
from models_store.telemetry.traces import Tracing

# Asked every few seconds by machines: their spans would hide the others.
UNTRACED = "healthz,readyz,metrics"
QUERY_ATTRIBUTES = ("http.url", "http.target")


def observe(app: FastAPI, services: Services, tracing: Tracing) -> None:
    """Watch every request. To be called last: what is added later lies outside and is not seen."""
    # When each series began, as a series of its own: twice as many for nothing.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
    requests = services.registry
    if services.settings.server_processes > 1:
        # The processes count in common files: whichever is asked tells of all.
        requests = CollectorRegistry()
        MultiProcessCollector(services.registry)  # type: ignore[no-untyped-call]  # the library's
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
            server_request_hook=_forget_query,
        )


def _forget_query(span: Span, scope: Scope) -> None:
    """Leave out what may hold a secret."""
    path = scope["raw_path"].decode("ascii", "replace")
    for name in QUERY_ATTRIBUTES:
        span.set_attribute(name, path)
