"""Messages about one of several channels."""

from pathlib import Path
from unittest.mock import Mock

from models_store.contracts.outcomes import Outcome
from models_store.contracts.train_spec import TrainSpec
from models_store.contracts.vocabulary import Method
from tests.support.headers import header_of
from tests.support.job_contexts import context_of
from worker.attempt.context import JobContext
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import KnownImage
from worker.jobs.channel_messages import naming_channel
from worker.offline.memory_registry import MemoryRegistry

SPEC = TrainSpec(image_ids=["img_1"], method=Method.N2V, channel=1)


def handler(_: TrainSpec, context: JobContext) -> Outcome:
    context.report(0.5, "step 1 of 2")
    context.warn("it is dark")
    return Outcome(result={"warnings": ["it is dark"], "estimate": "n2v"})


def test_progress_and_warnings_name_the_channel(tmp_path: Path) -> None:
    registry = MemoryRegistry()
    header = header_of("CYX", (2, 16, 16), ("DAPI", "GFP"))
    registry.add_image(KnownImage("img_1", "a.tif", "images/img_1"), header)
    report = Mock()
    with context_of(registry, MeasuredBlobs((tmp_path / "blobs").as_uri()), report=report) as context:
        outcome = naming_channel(handler, SPEC, 1, context)
        warn = context.warn
    assert isinstance(warn, Mock)
    report.assert_called_once_with(0.5, "channel 2 of 2 (GFP): step 1 of 2")
    warn.assert_called_once_with("channel 2 of 2 (GFP): it is dark")
    assert outcome.result == {"warnings": ["channel 2 of 2 (GFP): it is dark"], "estimate": "n2v"}
