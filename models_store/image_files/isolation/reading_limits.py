"""Limits of a reading process."""

from dataclasses import dataclass

_CLOCK_TO_PROCESSOR = 15.0
"""Reading processes have low priority: on a busy machine they wait longer than they compute."""


@dataclass(frozen=True)
class ReadingLimits:
    """Limits of a reading process: address space, time for each answer, and for replies to what it needs.

    `processor_s`: processor time for each answer, which a busy machine does not shorten; None: no limit.
    """

    memory_bytes: int = 2**34
    answer_s: float = 300.0
    replies_s: float = 600.0
    processor_s: float | None = None

    @classmethod
    def of_processor(cls, memory_bytes: int, processor_s: float) -> "ReadingLimits":
        """Return limits of processor time, with a time by the clock that only hung processes take."""
        return cls(memory_bytes, answer_s=_CLOCK_TO_PROCESSOR * processor_s, processor_s=processor_s)

    @property
    def told(self) -> str:
        """The limit of time that a file runs into, and what to do."""
        if self.processor_s is None:
            return f"{self.answer_s:g} seconds; the server may be busy, so try again later"
        return (
            f"{self.processor_s:g} seconds of processor time, or {self.answer_s:g} seconds in all; crop or "
            "split the image, or try again later"
        )


OF_COMMANDS = ReadingLimits.of_processor(ReadingLimits.memory_bytes, ReadingLimits.answer_s)
"""A command reads files of its own user: on a busy machine it waits, and does not call them broken."""
