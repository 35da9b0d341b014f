"""Which numbers of events have been read, although transactions commit them in another order."""

from dataclasses import dataclass, field

GIVEN_UP_AFTER_S = 30.0
"""Age of a missing number that counts as rolled back; no transaction lasts that long."""

MAX_MISSING = 1000
"""Missing numbers that are looked for at a time; a larger leap of numbers is no open transaction."""


@dataclass
class Positions:
    """Numbers up to `highest` have been read, except the missing ones, whose transactions may be open."""

    highest: int
    missing: dict[int, float] = field(default_factory=dict)
    """Time at which each number was first missed."""

    @property
    def settled(self) -> int:
        """The number up to which nothing is missing: a reader that goes on from there misses nothing."""
        return min(self.missing, default=self.highest + 1) - 1

    def read(self, number: int, now_s: float) -> None:
        """Note that an event was read."""
        if number <= self.highest:
            self.missing.pop(number, None)
            return
        passed_over = range(max(self.highest + 1, number - MAX_MISSING), number)
        self.missing |= dict.fromkeys(passed_over, now_s)
        self.highest = number

    def give_up(self, now_s: float) -> None:
        """Forget the numbers that have been missing for long."""
        self.missing = {
            number: since_s for number, since_s in self.missing.items() if now_s - since_s < GIVEN_UP_AFTER_S
        }
