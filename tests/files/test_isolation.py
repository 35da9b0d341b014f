"""Restrictions of reading processes, and recovery from their failures."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

from models_store.errors import ImageCorruptError, ReaderFailedError, UnavailableError
from models_store.image_files.header import DEFAULT_LIMITS
from models_store.image_files.isolation import reading, wire
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.launch import ReadingService
from models_store.image_files.isolation.lockdown import lock_down, seccomp_problem
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.tiff.reader import open_planes

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has seccomp")


@pytest.fixture
def stack_tiff(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    planes = np.random.default_rng(0).integers(0, 4000, (5, 40, 32), np.uint16)
    tifffile.imwrite(path, planes, photometric="minisblack", metadata={"axes": "ZYX"})
    return path


def reading_processes(service: ReadingService) -> list[psutil.Process]:
    """Return the processes that a service has forked."""
    (server,) = [
        child for child in psutil.Process().children() if service.isolation.address in child.cmdline()
    ]
    return server.children()


def test_a_reading_process_reads_what_is_in_a_file(reader: Reader, stack_tiff: Path) -> None:
    planes = reader.open(stack_tiff)
    with open_planes(stack_tiff) as direct:
        assert planes.header == direct.header
        assert len(planes) == len(direct)
        for index in (4, 0, 2, -1):
            np.testing.assert_array_equal(planes[index], direct[index])
        assert planes.result_format(np.dtype("float32")) == direct.result_format(np.dtype("float32"))


def _opens_a_file() -> None:
    Path("/etc/hostname").read_bytes()


def _writes_a_file() -> None:
    Path("/tmp/written").write_bytes(b"1")  # noqa: S108  # it must not be


def _connects() -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=1)


def _lists_a_folder() -> None:
    list(Path("/").iterdir())


def _forks() -> None:
    os.fork()


def _starts_a_thread() -> None:
    try:
        threading.Thread(target=_forks).start()
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _executes() -> None:
    os.execv("/bin/true", ["true"])  # noqa: S606  # it must not be


def _ends_others() -> None:
    os.kill(os.getppid(), 0)


FORBIDDEN = (
    _opens_a_file,
    _writes_a_file,
    _connects,
    _lists_a_folder,
    _forks,
    _starts_a_thread,
    _executes,
    _ends_others,
)


@on_linux
@pytest.mark.parametrize("act", FORBIDDEN, ids=lambda act: act.__name__.strip("_"))
def test_what_reading_does_not_take_is_forbidden(act: Callable[[], Any]) -> None:
    assert seccomp_problem() is None
    child = os.fork()
    if child == 0:
        os._exit(_attempt(act))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == FORBIDDEN_STATUS


FORBIDDEN_STATUS, ALLOWED_STATUS = 3, 4


def _attempt(act: Callable[[], Any]) -> int:
    try:
        lock_down(2**30)
        act()
    except OSError:
        return FORBIDDEN_STATUS
    except BaseException:  # noqa: BLE001  # the test must see any error
        return 5
    return ALLOWED_STATUS


@on_linux
def test_the_environment_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARSCOPE_DATABASE_URL", "postgresql://user:hunter2@db/clearscope")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    service = ReadingService()
    with service.running() as isolation, isolation.reader():
        (process,) = reading_processes(service)
        assert process.environ().keys() <= {
            "PYTHONPATH",
            "OPENBLAS_NUM_THREADS",
            "OMP_NUM_THREADS",
            "MALLOC_TRIM_THRESHOLD_",
            "MALLOC_MMAP_THRESHOLD_",
            "LC_CTYPE",
        }
        assert "hunter2" not in str(process.environ())
        opened = {Path(file.path) for file in process.open_files()}
        assert opened == set()


def test_a_dying_reading_process_affects_only_its_file(stack_tiff: Path) -> None:
    service = ReadingService()
    with service.running() as isolation:
        with isolation.reader() as reader:
            planes = reader.open(stack_tiff)
            (process,) = reading_processes(service)
            with isolation.reader() as other:
                others = other.open(stack_tiff)
                process.send_signal(signal.SIGSEGV)
                process.wait(30)
                with pytest.raises(ImageCorruptError, match="its reader crashes"):
                    planes[1]
                with pytest.raises(ImageCorruptError):
                    reader.open(stack_tiff)
                assert others[1].shape == (40, 32)
        with isolation.reader() as another:
            assert len(another.open(stack_tiff)) == 5


def test_a_reading_process_ends_with_its_client(stack_tiff: Path) -> None:
    service = ReadingService()
    with service.running() as isolation:
        with isolation.reader() as reader:
            reader.open(stack_tiff)
            (process,) = reading_processes(service)
            server = psutil.Process(process.ppid())
        process.wait(30)
        assert server.is_running()
    assert not server.is_running()


def test_modules_of_the_current_folder_are_not_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stack_tiff: Path
) -> None:
    (tmp_path / "http.py").write_text("raise SystemExit('a script of the user')")
    monkeypatch.chdir(tmp_path)
    with ReadingService().running() as isolation, isolation.reader() as reader:
        assert len(reader.open(stack_tiff)) > 1


def test_the_server_of_reading_processes_is_started_again(stack_tiff: Path) -> None:
    service = ReadingService()
    with service.running() as isolation:
        with isolation.reader():
            (process,) = reading_processes(service)
            server = psutil.Process(process.ppid())
        server.kill()
        with isolation.reader() as reader:
            assert len(reader.open(stack_tiff)) == 5


def test_without_the_server_of_reading_processes_nothing_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models_store.image_files.isolation.client._START_LIMIT_S", 0.1)
    isolation = Isolation(str(tmp_path / "socket"))
    with pytest.raises(UnavailableError, match="try again"), isolation.reader():
        pass


def test_a_defect_of_the_reader_is_not_blamed_on_the_file(
    stack_tiff: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A defective reading process runs in a thread of this one."""
    here, there = socket.socketpair()
    files: list[Any] = []

    def serve() -> None:
        with ExitStack() as stack:
            files.append(reading.Files(stack))
            with suppress(wire.BrokenMessageError, OSError):
                while True:
                    request, descriptors = wire.receive_request(there)
                    wire.send(there, *reading.answer(files[0], request, descriptors))

    thread = threading.Thread(target=serve)
    thread.start()
    reader = Reader(here, ReadingLimits())
    opened = reader.open(stack_tiff)
    del files[0]._planes[:]
    with pytest.raises(ReaderFailedError, match="bug in the reader"):
        opened[0]
    assert "IndexError" in caplog.text
    here.close()
    thread.join()
    there.close()


def test_the_caller_sets_the_limits(isolation: Isolation, tmp_path: Path) -> None:
    path = tmp_path / "wide.tif"
    tifffile.imwrite(path, np.zeros((4000, 4000), np.uint16))
    with isolation.reader() as reader:
        assert reader.open(path, DEFAULT_LIMITS).header.width_px == 4000
