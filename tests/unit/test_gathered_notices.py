"""Notices are batched while others are being sent, and none is lost."""

import threading
from collections.abc import Sequence

from app.serving.gathered_notices import GatheredNotices


class SlowBroker:
    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.sent: list[list[str]] = []
        self.fails = False

    def notify(self, job_ids: Sequence[str]) -> None:
        self.asked.set()
        assert self.answers.wait(30)
        self.sent.append(list(job_ids))
        if self.fails:
            raise RuntimeError("the broker is broken")


def test_notices_are_batched_while_the_broker_is_slow() -> None:
    broker = SlowBroker()
    notices = GatheredNotices(broker)
    with notices.sending():
        notices.notify(["job_1"])
        assert broker.asked.wait(30)
        for number in range(2, 6):
            notices.notify([f"job_{number}", f"stage_{number}"])
        broker.answers.set()
    assert broker.sent[0] == ["job_1"]
    assert broker.sent[1] == [f"{what}_{number}" for number in range(2, 6) for what in ("job", "stage")]


def test_a_failing_broker_does_not_stop_the_sender() -> None:
    broker = SlowBroker()
    broker.fails = True
    broker.answers.set()
    notices = GatheredNotices(broker)
    with notices.sending():
        for number in range(3):
            notices.notify([f"job_{number}"])
            assert broker.asked.wait(30)
            broker.asked.clear()
    assert sorted(job_id for batch in broker.sent for job_id in batch) == ["job_0", "job_1", "job_2"]
