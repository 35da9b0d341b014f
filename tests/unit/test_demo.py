"""The demo takes the result files of its job by what they hold."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from demo import __main__ as demo

if TYPE_CHECKING:
    from app.commands.client import Client

_PARAMETERS = {
    "kind": "gmm",
    "weights": [[0.0], [1.0], [0.0]],
    "signal_min_adu": 0.0,
    "signal_max_adu": 9.0,
    "variance_floor_adu2": 1.0,
}
_ARTIFACTS = [
    {"name": name, "href": f"/{name}", "output": output}
    for name, output in (
        ("a_denoised.tif", "denoised"),
        ("a_posterior_std.tif", "posterior_std"),
        ("ro-crate-metadata.json", None),
    )
]


class _Server:
    """A client of a server that has done the job."""

    def upload(self, _: Path) -> dict[str, Any]:
        return {"id": "img_1", "header": {"axes": "YX", "shape": [16, 16], "dtype": "uint16"}}

    def submit(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"id": "job_1"}

    def wait(self, *_: object) -> dict[str, Any]:
        return {"result": {"artifacts": _ARTIFACTS, "values": {"noise_model_id": "nm_1"}}}

    def get(self, _: str) -> dict[str, Any]:
        return {"parameters": _PARAMETERS}

    def download(self, href: str, target: Path) -> None:
        target.write_text(href)


def test_files_that_describe_the_results_are_no_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "OUTPUT", tmp_path)
    _, _, files = demo.denoise(cast("Client", _Server()), tmp_path / "a.tif", Console(quiet=True))
    assert {output: path.read_text() for output, path in files.items()} == {
        "denoised": "/a_denoised.tif",
        "posterior_std": "/a_posterior_std.tif",
    }
