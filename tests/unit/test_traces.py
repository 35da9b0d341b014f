"""Traces of a server whose collector is of no use."""

import socket
import threading

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
