"""Choice of the device, tested without a GPU by faking torch.cuda."""

from collections.abc import Callable

import pytest
import torch

from models_store.contracts.vocabulary import Queue
from models_store.database.engines import Database
from models_store.errors import DeviceUnavailableError, InvalidRequestError
from models_store.settings import Settings
from worker.attempt.device import choose_device
from worker.processes import celery_app

SeeGpus = Callable[..., list[int]]
BROKEN = -1


@pytest.fixture
def see_gpus(monkeypatch: pytest.MonkeyPatch) -> SeeGpus:
    """Return a function that fakes GPUs with these free bytes and returns the list of queried ones."""

    def see(*free_bytes: int) -> list[int]:
        asked: list[int] = []

        def mem_get_info(index: int) -> tuple[int, int]:
            asked.append(index)
            if free_bytes[index] == BROKEN:
                raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")
            return free_bytes[index], 1 << 40

        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(free_bytes))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free_bytes))
        monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
        return asked

    return see


@pytest.mark.parametrize("name", ["auto", "cuda"])
@pytest.mark.parametrize(
    ("free_bytes", "chosen"), [((5, 9, 7), 1), ((9, 9), 0), ((BROKEN, 3), 1), ((0, BROKEN), 0)]
)
def test_the_gpu_with_the_most_free_memory_is_chosen(
    see_gpus: SeeGpus, name: str, free_bytes: tuple[int, ...], chosen: int
) -> None:
    see_gpus(*free_bytes)
    assert choose_device(name) == torch.device("cuda", chosen)


def test_a_single_gpu_is_not_queried(see_gpus: SeeGpus) -> None:
    asked = see_gpus(BROKEN)
    assert choose_device("auto") == torch.device("cuda", 0)
    assert asked == []


def test_an_explicit_device_is_used_unchanged(see_gpus: SeeGpus) -> None:
    asked = see_gpus(9, 1)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    assert choose_device("cpu") == torch.device("cpu")
    assert asked == []


def test_auto_is_the_cpu_if_there_is_no_gpu(see_gpus: SeeGpus) -> None:
    see_gpus()
    assert choose_device("auto") == torch.device("cpu")


def test_auto_does_not_fall_back_to_the_cpu_if_gpus_are_broken(see_gpus: SeeGpus) -> None:
    see_gpus(BROKEN, BROKEN)
    with pytest.raises(DeviceUnavailableError, match="2 GPUs can be seen"):
        choose_device("auto")


def test_a_missing_gpu_is_refused(see_gpus: SeeGpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    see_gpus(9)
    with pytest.raises(
        DeviceUnavailableError, match=r"'cuda:1'.* 1 GPU can be seen .*CUDA_VISIBLE_DEVICES=3"
    ):
        choose_device("cuda:1")
    see_gpus()
    for name in ("cuda", "cuda:0"):
        with pytest.raises(DeviceUnavailableError, match="0 GPUs can be seen"):
            choose_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "meta", "mps"])
def test_an_unknown_device_is_refused(see_gpus: SeeGpus, name: str) -> None:
    see_gpus(9)
    with pytest.raises(InvalidRequestError, match="is no device"):
        choose_device(name)


@pytest.mark.parametrize(
    ("queues", "device", "expected"),
    [
        ([Queue.CPU], "auto", "cpu"),
        ([Queue.CPU, Queue.GPU], "auto", "auto"),
        ([Queue.CPU], "cuda:1", "cuda:1"),
    ],
)
def test_a_workers_jobs_use_its_device(
    monkeypatch: pytest.MonkeyPatch, queues: list[Queue], device: str, expected: str
) -> None:
    class EnoughError(Exception):
        pass

    devices: list[str] = []

    def database(settings: Settings) -> None:
        devices.append(settings.device)
        raise EnoughError

    monkeypatch.setattr(Database, "of", database)
    with pytest.raises(EnoughError):
        celery_app.work(Settings(device=device), queues)
    assert devices == [expected]
