"""Traces of a server whose collector is of no use."""

import socket
import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from app.observability.install import drop_secrets
from models_store.settings import Settings
from models_store.telemetry.traces import set_up_tracing


def test_a_collector_that_never_answers_is_abandoned() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}"
        tracing = set_up_tracing(Settings(otlp_endpoint=address), "test")
        with tracing.span("nobody hears of it"):
            pass
        closing = threading.Thread(target=tracing.close, daemon=True)
        closing.start()
        closing.join(30)
        assert not closing.is_alive()


@pytest.mark.parametrize(
    "names", [("http.url", "http.target", "http.route"), ("url.full", "url.path", "url.query")]
)
def test_no_attribute_of_a_request_tells_a_signed_link(names: tuple[str, ...]) -> None:
    path = "/v1/images/img_1/zarr/open.1.secret/image.ome.zarr/0/.zarray"
    span = TracerProvider().get_tracer("test").start_span("GET", attributes=dict.fromkeys(names, path))
    assert isinstance(span, ReadableSpan)
    drop_secrets(span, {"raw_path": path.encode()})
    assert span.attributes is not None
    told = dict(span.attributes)
    assert told.keys() == set(names)
    assert told.pop("http.route", path) == path
    assert not any("secret" in str(value) for value in told.values())
    assert told[names[1]] == path.replace("open.1.secret", "...")
