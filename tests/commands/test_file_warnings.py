"""Commands warn of what is missing in a file."""

from pathlib import Path

import torch

from tests.support.microscope_files import noise, ome_document, ome_image, write_pages
from worker.offline.run import offline_run


def test_missing_planes_are_told_before_anything_is_computed(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "short.ome.tif", noise(3, 32, 40), ome_document(ome_image(0, {"Z": 7})))
    told: list[str] = []
    with offline_run(tmp_path, device=torch.device("cpu"), show=lambda *_: None, warn=told.append) as run:
        _, header, _ = run.add_image(path)
    assert told == ["3 of 7 planes are in the file"]
    assert header.warnings == tuple(told)
