"""Provenance of a job's results as handlers collect it."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

from models_store.contracts.denoise_spec import DenoiseSpec
from models_store.contracts.outcomes import MadeBlob, Outcome
from models_store.image_files.optics import Optics
from tests.support.headers import header_of
from worker.attempt.registry import KnownImage, KnownRequest
from worker.jobs.inputs import OpenImage
from worker.jobs.provenance import RunProvenance, digest_of

NOON = datetime(2026, 5, 6, 12, tzinfo=UTC)
REQUEST = KnownRequest("job_1", DenoiseSpec(image_ids=["img_1"]), NOON)


def _image(tmp_path: Path) -> OpenImage:
    source = Mock(header=header_of("YX", (40, 32)))
    return OpenImage(
        KnownImage("img_1", str(tmp_path / "cells.tif"), "images/img_1", sha256="0" * 64), source
    )


def test_a_warning_tells_the_share_of_clipped_pixels_once(tmp_path: Path) -> None:
    context = Mock(clock=lambda: NOON + timedelta(minutes=1))
    context.store.return_value = MadeBlob(key="crate", sha256="1" * 64, size_bytes=1)
    run = RunProvenance(context, REQUEST, ())
    note = run.note(_image(tmp_path))
    first, second = note.complete(0.0), [note.complete(0.25) for _ in range(2)][-1]
    assert first.warnings == ()
    (told,) = second.warnings
    assert "0.25 of the result's pixels were outside the range of uint16 and clipped" in told
    context.warn.assert_called_once_with(told)
    assert second.ended_at == NOON + timedelta(minutes=1)
    outcome = run.outcome(Outcome(result={"warnings": ["another"]}), ())
    assert outcome.result["warnings"] == ["another", told]


def test_provenance_and_crate_tell_the_objective(tmp_path: Path) -> None:
    context = Mock(clock=lambda: NOON)
    context.store.return_value = MadeBlob(key="crate", sha256="1" * 64, size_bytes=1)
    image = _image(tmp_path)
    water = Optics(numerical_aperture=1.2, magnification=60.0, immersion="Water")
    header = image.reader.header.model_copy(update={"optics": (water,)})
    image = OpenImage(image.known, Mock(header=header))
    run = RunProvenance(context, REQUEST, ())
    complete = run.note(image).complete(0.0)
    assert complete.input.objective is not None
    assert complete.input.objective.model_dump(exclude_none=True) == {
        "magnification": 60.0,
        "numerical_aperture": 1.2,
        "immersion": "Water",
    }
    run.outcome(Outcome(result={}), ())
    (_, crate), _ = context.store.call_args
    assert b"Objective: magnification 60.0, numerical aperture 1.2, immersion Water" in crate


def test_the_digest_of_a_folder_depends_on_names_and_contents(tmp_path: Path) -> None:
    context = Mock()
    context.blobs.as_file.return_value.__enter__ = lambda _: tmp_path / "set"
    context.blobs.as_file.return_value.__exit__ = lambda *_: None
    found = set()
    for name, content in (("a", b"1"), ("a", b"2"), ("b", b"2")):
        folder = tmp_path / "set"
        folder.mkdir(exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        (folder / name).write_bytes(content)
        found.add(digest_of(context, KnownImage("img_1", "set", "key")))
        digest = hashlib.sha256(content).hexdigest()
        assert hashlib.sha256(f"{name} {digest}\n".encode()).hexdigest() in found
    assert len(found) == 3
