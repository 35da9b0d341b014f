"""Whatever runs out of memory names the planes that would fit."""

import signal
from pathlib import Path

import pytest

from worker.engine.devices import host_memory
from worker.engine.devices.host_memory import advice, free_bytes, possible_side_px, total_bytes
from worker.processes.runner import _end_of

GIBIBYTE = 2**30


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "meminfo").write_text("MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n")
    monkeypatch.setattr(host_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(host_memory, "_CGROUP", tmp_path)
    return tmp_path


def test_more_memory_is_enough_for_larger_planes() -> None:
    assert possible_side_px(0) == 0
    assert possible_side_px(5 * GIBIBYTE) == 9_600
    assert possible_side_px(17 * GIBIBYTE) == 20_300


def test_the_memory_is_that_of_the_machine_or_of_its_container(memory: Path) -> None:
    assert (total_bytes(), free_bytes()) == (16 * GIBIBYTE, 8 * GIBIBYTE)
    (memory / "memory.max").write_text("max\n")
    assert total_bytes() == 16 * GIBIBYTE
    (memory / "memory.max").write_text(f"{5 * GIBIBYTE}\n")
    (memory / "memory.current").write_text(f"{2 * GIBIBYTE}\n")
    assert (total_bytes(), free_bytes()) == (5 * GIBIBYTE, 3 * GIBIBYTE)
    (memory / "meminfo").unlink()
    (memory / "memory.max").unlink()
    assert (total_bytes(), free_bytes()) == (None, None)
    assert advice(None, "this") == "a plane takes about 40 bytes for each pixel, so crop larger ones"


@pytest.mark.usefixtures("memory")
def test_a_process_that_the_system_ended_tells_which_planes_fit() -> None:
    assert _end_of(1) == "the job's process ended with exit code 1"
    told = _end_of(-signal.SIGKILL)
    assert "exit code -9, perhaps because it exhausted the memory: a plane takes about 40 bytes" in told
    assert "the memory of the worker's machine is enough for planes of about 19700 x 19700" in told
