"""Traces from the request that posts a job to the process that computes it; optional."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider as RecordingTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracerProvider, Span, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from models_store.settings import Settings

# Limits the wait for an unreachable collector, for example when a job process exits.
EXPORT_TIMEOUT_S = 2.0
STANDARD_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_W3C = TraceContextTextMapPropagator()


def current_trace() -> dict[str, str]:
    """Return the context of the current span as W3C headers; empty without a span."""
    headers: dict[str, str] = {}
    _W3C.inject(headers)
    return headers


@dataclass(frozen=True)
class Tracing:
    """A recorder of spans, or a no-op."""

    provider: TracerProvider = field(default_factory=NoOpTracerProvider)

    @property
    def enabled(self) -> bool:
        return isinstance(self.provider, RecordingTracerProvider)

    @contextmanager
    def span(
        self, name: str, *, parent: Mapping[str, str] | None = None, **attributes: str | int
    ) -> Iterator[Span]:
        """Record a block as a span. `parent`: W3C headers; default: the current span."""
        context = _W3C.extract(parent) if parent else None
        tracer = self.provider.get_tracer("clearscope")
        named = {f"clearscope.{key}": value for key, value in attributes.items()}
        with tracer.start_as_current_span(name, context=context, attributes=named) as span:
            yield span

    def close(self) -> None:
        """Export the remaining spans; give up on an unreachable collector after a short timeout."""
        if isinstance(self.provider, RecordingTracerProvider):
            self.provider.shutdown()


def set_up_tracing(settings: Settings, service: str) -> Tracing:
    """Record spans of `service` if a collector is configured, by setting or OpenTelemetry variables."""
    if not settings.otlp_endpoint and not any(os.environ.get(name) for name in STANDARD_ENDPOINTS):
        return Tracing()
    # Every process starts faster without it, and few export spans.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    endpoint = f"{settings.otlp_endpoint.rstrip('/')}/v1/traces" if settings.otlp_endpoint else None
    resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", service)})
    provider = RecordingTracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S), schedule_delay_millis=1000)
    )
    return Tracing(provider)
