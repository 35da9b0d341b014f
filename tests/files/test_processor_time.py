"""Reading processes are limited by the processor time that they use, not by what a busy machine takes."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.errors import ImageCorruptError
from models_store.image_files.isolation.client import Isolation
from models_store.image_files.isolation.processor_time import processor_time_s, wait_for_answer
from models_store.image_files.isolation.reading_limits import ReadingLimits
from models_store.image_files.isolation.wire import BrokenMessageError

WAITING, BUSY = "input()", "while True: pass"


@contextmanager
def process(program: str) -> Iterator[int]:
    command = [sys.executable, "-S", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as started:
        yield started.pid
        started.kill()


def test_a_process_that_waits_for_the_processor_is_waited_for() -> None:
    here, there = socket.socketpair()
    with here, there, process(WAITING) as process_id:
        until_s = processor_time_s(process_id) + 0.2
        answer = threading.Timer(0.6, there.send, [b"answer"])
        answer.start()
        wait_for_answer(here, process_id, processor_until_s=until_s, within_s=60)
        assert here.recv(6) == b"answer"
        answer.join()


def test_one_that_hangs_is_given_up() -> None:
    here, there = socket.socketpair()
    with here, there, process(WAITING) as process_id, pytest.raises(TimeoutError):
        wait_for_answer(here, process_id, processor_until_s=1e6, within_s=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the time of a process")
def test_one_that_computes_for_too_long_is_given_up() -> None:
    here, there = socket.socketpair()
    with here, there, process(BUSY) as process_id:
        until_s = processor_time_s(process_id) + 0.1
        with pytest.raises(TimeoutError):
            wait_for_answer(here, process_id, processor_until_s=until_s, within_s=600)
        assert processor_time_s(process_id) >= until_s
    with pytest.raises(BrokenMessageError):
        processor_time_s(process_id)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the time of a process")
def test_a_file_that_takes_too_much_processor_time_is_refused(isolation: Isolation, tmp_path: Path) -> None:
    path = tmp_path / "blank.tif"
    tifffile.imwrite(path, np.zeros((8000, 8000), "uint8"), compression="zlib")
    with (
        isolation.reader(ReadingLimits.of_processor(2**32, 0.01)) as reader,
        pytest.raises(ImageCorruptError, match=r"within 0\.01 seconds of processor time"),
    ):
        reader.inspect(path)
