"""Waiting for a reading process, as long as it has not used up its processor time."""

import math
import os
import select
import socket
import sys
import time
from pathlib import Path

from models_store.image_files.isolation.wire import BrokenMessageError

_UTIME, _STIME = 11, 12
"""Fields of /proc/PID/stat behind the name of the program, counted from 0."""
_MIN_WAIT_S = 0.05


def processor_time_s(process_id: int) -> float:
    """Return the processor time that a process has used. Raises BrokenMessageError if it has ended.

    Where the system does not tell it (it has no /proc), the time of the clock stands for it.
    """
    if sys.platform != "linux":
        return time.monotonic()
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError as error:
        raise BrokenMessageError("the process has ended") from error
    return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")


def wait_for_answer(
    connection: socket.socket, process_id: int, *, processor_until_s: float, within_s: float
) -> None:
    """Wait until a reading process answers.

    Raises TimeoutError if it has used processor time until `processor_until_s`, or after `within_s`.
    """
    deadline_s = time.monotonic() + within_s
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    left_s = _MIN_WAIT_S
    # One thread cannot use more processor time than passes, so waiting for what is left of it is no loss.
    while not poll.poll(math.ceil(1000 * max(min(left_s, deadline_s - time.monotonic()), 0.0))):
        left_s = processor_until_s - processor_time_s(process_id)
        if left_s <= 0 or time.monotonic() >= deadline_s:
            raise TimeoutError
        left_s = max(left_s, _MIN_WAIT_S)
