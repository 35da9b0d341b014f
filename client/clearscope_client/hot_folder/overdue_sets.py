"""Loose sets that have waited for their other files for longer than people should not know of it."""

from collections.abc import Iterable

from clearscope_client.hot_folder.arrivals import Arrival


class OverdueSets:
    """Remembers since when each set has lacked the same files, and which sets were reported."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since_s: dict[str, tuple[str, float]] = {}
        self._reported: dict[str, str] = {}

    def look(self, lacking: Iterable[Arrival], now_s: float) -> tuple[list[Arrival], set[str]]:
        """Return sets to report now, and names of those reported earlier that lack nothing any more.

        A set to which a file is added waits anew, and is reported anew; its earlier report stays until then.
        """
        by_name = {each.name: each for each in lacking}
        self._since_s = {name: self._waiting_since_s(each, now_s) for name, each in by_name.items()}
        new = {
            name: state
            for name, (state, since_s) in self._since_s.items()
            if now_s - since_s >= self._limit_s and self._reported.get(name) != state
        }
        over = self._reported.keys() - by_name.keys()
        still = {name: state for name, state in self._reported.items() if name in by_name}
        self._reported = still | new
        return [by_name[name] for name in sorted(new)], over

    def _waiting_since_s(self, arrival: Arrival, now_s: float) -> tuple[str, float]:
        state, since_s = self._since_s.get(arrival.name, ("", now_s))
        return arrival.state, since_s if state == arrival.state else now_s
