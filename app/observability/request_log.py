"""Request ids, the access log, and request metrics."""

import logging
import re
import time
import uuid
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http.authorization import Caller
from app.http.preferences import PREFERENCE_APPLIED
from app.http.problems import REQUEST_ID_HEADER
from app.http.signed_links import without_link
from app.observability.request_metrics import Exchange, HttpMetrics
from models_store.telemetry.logs import logging_context

logger = logging.getLogger(__name__)

EVENT_STREAM = "text/event-stream"
# Restrictive, because ids from clients are written to files and terminals.
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Polled every few seconds.
_QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})


class RequestLog:
    """ASGI middleware: assign a request id, write the access log and record metrics."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics, templates: Mapping[object, str]) -> None:
        """`templates`: path template by endpoint."""
        self._app = app
        self._metrics = metrics
        self._templates = templates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        # Also needed by error handlers that run outside the logging context below.
        scope.setdefault("state", {})["request_id"] = request_id
        # The raw path: decoded, it could contain line breaks.
        path = without_link(scope["raw_path"].decode("ascii", "replace"))
        exchange = Exchange(scope["method"], path)

        async def receive_counted() -> Message:
            message = await receive()
            exchange.received_bytes += len(message.get("body", b""))
            return message

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                exchange.endless = headers.get("content-type", "").startswith(EVENT_STREAM)
                exchange.waited = PREFERENCE_APPLIED in headers
            exchange.sent_bytes += len(message.get("body", b""))
            await send(message)
            # Updated with each message, so that background tasks after the last one do not count. Of a stream
            # of events, which has no end of its own, only the time to its beginning says something.
            if message["type"] == "http.response.start" or not exchange.endless:
                exchange.seconds = time.perf_counter() - started_s

        started_s = time.perf_counter()
        self._metrics.begin()
        with logging_context(request_id=request_id):
            try:
                await self._app(scope, receive_counted, send_counted)
            finally:
                exchange.route = self._templates.get(scope.get("endpoint"), exchange.route)
                caller = scope["state"].get("caller")
                exchange.key_id = caller.viewer.key_id if isinstance(caller, Caller) else None
                self._metrics.end(exchange)
                _log(exchange)


def _request_id(headers: Headers) -> str:
    """Return the client's request id if it is valid, else a new one."""
    from_client = headers.get(REQUEST_ID_HEADER, "")
    return from_client if _VALID_REQUEST_ID.fullmatch(from_client) else uuid.uuid4().hex


def _log(exchange: Exchange) -> None:
    """Write an access log entry; without the query, which may contain a secret."""
    quiet = exchange.route in _QUIET_ROUTES and exchange.status < 500  # noqa: PLR2004  # server errors
    duration_ms = round(exchange.seconds * 1000, 1)
    logger.log(
        logging.DEBUG if quiet else logging.INFO,
        "%s %s %d in %g ms",
        exchange.method,
        exchange.path,
        exchange.status,
        duration_ms,
        extra={
            "method": exchange.method,
            "path": exchange.path,
            "route": exchange.route,
            "status": exchange.status,
            "key_id": exchange.key_id,
            "duration_ms": duration_ms,
            "received_bytes": exchange.received_bytes,
            "sent_bytes": exchange.sent_bytes,
        },
    )
