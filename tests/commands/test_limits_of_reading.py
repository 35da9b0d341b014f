"""Commands limit what reads images by its processor time, so that they get through on a busy machine."""

from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from tests.support.commands import clearscope
from tests.support.reading_processes import shared_by_commands
from worker.offline.run import offline_run


def test_a_command_on_a_busy_machine_waits_for_its_reading_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[ReadingLimits] = []
    reader = Isolation.reader

    def limited(isolation: Isolation, given: ReadingLimits) -> AbstractContextManager[Reader]:
        limits.append(given)
        return reader(isolation, given)

    monkeypatch.setattr(Isolation, "reader", limited)
    tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(0).integers(0, 200, (32, 32), np.uint8))
    clearscope("evaluate", tmp_path / "a.tif", "--ground-truth", tmp_path / "a.tif")
    with shared_by_commands(), offline_run(tmp_path, device=torch.device("cpu"), show=lambda *_: None):
        pass
    assert len(limits) == 2
    for given in limits:
        assert given.processor_s is not None
        assert given.answer_s > given.processor_s
