"""Prometheus metrics of HTTP requests."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# From a status query to an upload of many gigabytes.
DURATION_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER = "other"


@dataclass
class Exchange:
    """Figures of one request and its response."""

    method: str
    path: str
    route: str = OTHER
    """Path template, to keep the label's cardinality low; `other` if the request matched no route."""
    status: int = 500
    seconds: float = 0.0
    received_bytes: int = 0
    sent_bytes: int = 0
    endless: bool = False
    """True for a stream of events; `seconds` is then the time to its beginning."""
    waited: bool = False
    """True if the server waited for what the client asked about; `seconds` then says nothing of it."""
    key_id: str | None = None
    """API key of the caller; None if the request has none."""


class HttpMetrics:
    """Histograms and counters of all exchanges."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "clearscope_http_request_duration_seconds",
            "Request duration, up to the last byte of the response; of streams of events, to the first. "
            "Without requests that asked the server to wait for the end of a job.",
            ("method", "route", "status"),
            buckets=DURATION_BUCKETS_S,
            registry=registry,
        )
        self._in_progress = Gauge(
            "clearscope_http_requests_in_progress",
            "Requests in progress.",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._received = Counter(
            "clearscope_http_received_bytes",
            "Bytes of request bodies: uploads.",
            ("route",),
            registry=registry,
        )
        self._sent = Counter(
            "clearscope_http_sent_bytes",
            "Bytes of response bodies: downloads.",
            ("route",),
            registry=registry,
        )

    def begin(self) -> None:
        self._in_progress.inc()

    def end(self, exchange: Exchange) -> None:
        self._in_progress.dec()
        method = exchange.method if exchange.method in METHODS else OTHER
        if not exchange.waited:
            self._seconds.labels(method, exchange.route, str(exchange.status)).observe(exchange.seconds)
        self._received.labels(exchange.route).inc(exchange.received_bytes)
        self._sent.labels(exchange.route).inc(exchange.sent_bytes)
