"""Health of a worker's device; with a broken GPU, every job claimed would fail."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from worker.processes.device_check import DeviceState, check_device

logger = logging.getLogger(__name__)

RECHECK_S = 30.0


@dataclass
class DeviceWatch:
    """Caches the result of the last device check. Thread-safe."""

    name: str
    check: Callable[[str], DeviceState] = check_device
    now_s: Callable[[], float] = time.monotonic
    _state: DeviceState | None = field(default=None, init=False)
    _checked_s: float = field(default=float("-inf"), init=False)
    _checking: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def age_s(self) -> float:
        return self.now_s() - self._checked_s

    def state(self) -> DeviceState:
        """Return the result of the last check, or of a first one."""
        with self._checking:
            return self._state or self._check()

    def recheck(self) -> DeviceState:
        with self._checking:
            return self._check()

    def wait_until_usable(self, stopping: threading.Event) -> bool:
        """Recheck until the device is usable; return False if the worker is stopped before that."""
        while not stopping.is_set():
            if self.state().error is None:
                return True
            stopping.wait(RECHECK_S)
            self.recheck()
        return False

    def _check(self) -> DeviceState:
        before, self._state = self._state, self.check(self.name)
        self._checked_s = self.now_s()
        if self._state.error is not None:
            logger.error("the device is unusable, no jobs are claimed: %s", self._state.error)
        elif before is None or before.error is not None:
            logger.info("computing on %s", self._state.device)
        return self._state
