"""The demo takes the result files of its job by what they hold, and tells where the portal shows it."""

import signal
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from rich.console import Console

from clearscope_client import Artifact, ClearScope, Denoised, Job, NoiseModel, ResultFile, UploadedImage
from clearscope_client.documents import Document, ImageHeader, JobResult
from demo import __main__ as demo

Told = TypeVar("Told", bound=Document)


def _part_of(kind: type[Told], **fields: Any) -> Told:
    """Return a document with these fields alone."""
    construct: Any = kind.model_construct
    return cast("Told", construct(**fields))


_PARAMETERS = {
    "kind": "gmm",
    "weights": [[0.0], [1.0], [0.0]],
    "signal_min_adu": 0.0,
    "signal_max_adu": 9.0,
    "variance_floor_adu2": 1.0,
}
_ARTIFACTS = tuple(
    _part_of(Artifact, name=name, output=output)
    for name, output in (
        ("a_denoised.tif", "denoised"),
        ("a_posterior_std.tif", "posterior_std"),
        ("ro-crate-metadata.json", None),
    )
)
_HEADER = _part_of(ImageHeader, axes="YX", shape=(16, 16), dtype="uint16")
_IMAGE = _part_of(UploadedImage, id="img_1", header=_HEADER)
_JOB = _part_of(Job, id="job_1", result=JobResult(values={"noise_model_id": "nm_1"}, artifacts=_ARTIFACTS))


class _Server:
    """A client of a server that has done the job."""

    def upload(self, _: Path) -> UploadedImage:
        return _IMAGE

    def submit(self, _: dict[str, Any]) -> Job:
        return _JOB

    def wait(self, *_: object, **__: object) -> Job:
        return _JOB

    def noise_model(self, _: str) -> NoiseModel:
        return _part_of(NoiseModel, parameters=_PARAMETERS)

    def results(self, image: UploadedImage, job: Job, *, output: Path) -> Denoised:
        files = tuple(ResultFile(each, output / each.name, None) for each in _ARTIFACTS)
        return Denoised(image, {}, job, files)


def test_files_that_describe_the_results_are_no_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "OUTPUT", tmp_path)
    _, _, files = demo.denoise(cast("ClearScope", _Server()), tmp_path / "a.tif", Console(quiet=True))
    assert files == {
        "denoised": tmp_path / "a_denoised.tif",
        "posterior_std": tmp_path / "a_posterior_std.tif",
    }


def test_where_the_portal_shows_the_result_is_told_until_ctrl_c(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, console = "http://127.0.0.1:40001/jobs/job_1", Console(record=True, width=40)

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(signal, "pause", interrupted)
    demo.show_portal(address, console)
    assert f"the result in the portal: {address}\n" in console.export_text()
