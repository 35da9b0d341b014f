"""One trace covers the request that posts a job, the queue, and the process that computes it."""

import socket
import threading

from models_store.settings import Settings
from models_store.telemetry.traces import set_up_tracing
from tests.support.observed_facility import ObservedFacility, Span


def only(spans: list[Span], name: str, **attributes: str | int) -> Span:
    wanted = {f"clearscope.{key}": value for key, value in attributes.items()}
    found = [span for span in spans if span.name == name and wanted.items() <= span.attributes.items()]
    assert len(found) == 1, (name, attributes, spans)
    return found[0]


def test_one_trace_goes_from_the_request_through_the_broker_to_the_work(
    observed_facility: ObservedFacility,
) -> None:
    spans = observed_facility.spans
    networks = dict.fromkeys(["n2v", "pn2v", "distil"], "train")
    stages = networks | {"noise_model": "bootstrap_noise_model", "predict": "predict"}
    for stage, kind in stages.items():
        attempt = only(spans, f"attempt {kind}", job_id=observed_facility.stage(stage), stage=stage)
        request = next(span for span in spans if span.id == attempt.parent_id)
        assert (request.service, request.name) == ("clearscope", "POST /v1/jobs")
        assert attempt.service == "clearscope-worker"
        assert attempt.attributes["clearscope.outcome"] == "succeeded"
        computing = only([span for span in spans if span.parent_id == attempt.id], f"compute {kind}")
        within = [span for span in spans if span.parent_id == computing.id]
        assert "read blob" in {span.name for span in within}
        assert {request.trace_id} == {span.trace_id for span in (attempt, computing, *within)}


def test_an_attempt_that_fails_says_so(observed_facility: ObservedFacility) -> None:
    attempt = only(observed_facility.spans, "attempt train", job_id=observed_facility.failed_job["id"])
    assert attempt.attributes["clearscope.outcome"] == "failed"


def test_health_checks_and_scrapes_are_not_traced(observed_facility: ObservedFacility) -> None:
    names = {span.name for span in observed_facility.spans}
    assert "GET /v1/jobs" in names
    assert not [name for name in names if "healthz" in name or "/metrics" in name]


def test_no_span_contains_a_secret_from_a_query(observed_facility: ObservedFacility) -> None:
    listing = [span for span in observed_facility.spans if span.name == "GET /v1/jobs"]
    assert listing
    assert not [span for span in listing if "hunter2" in str(span.attributes)]


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
