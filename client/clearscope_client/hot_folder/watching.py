"""Watch a folder by polling, which works on network shares too, and send what is complete."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.abc import TaskGroup

from clearscope_client.awaiting import AsyncClearScope
from clearscope_client.errors import (
    ClientError,
    FileUnwritableError,
    ForbiddenError,
    SourceChangedError,
    SourceUnreadableError,
    TooManyRequestsError,
    UnauthenticatedError,
)
from clearscope_client.exclusive import exclusively
from clearscope_client.hot_folder.arrivals import Arrival, Settling, arrivals, is_image, is_unchanged
from clearscope_client.hot_folder.half_moved_sets import is_rest_of_sent, rests_of_moved
from clearscope_client.hot_folder.journal import Journal
from clearscope_client.hot_folder.loose_sets import LooseSets
from clearscope_client.hot_folder.overdue_sets import OverdueSets
from clearscope_client.hot_folder.results import error_file, move_into, write_error
from clearscope_client.hot_folder.sending import Sending

WhenDone = Literal["keep", "move"]

DONE_FOLDER = "done"

# They are not the file's fault; somebody has to renew the key or make room.
_PASSING = (UnauthenticatedError, ForbiddenError, TooManyRequestsError, FileUnwritableError)


@dataclass(frozen=True)
class Recipe:
    """What is asked for each image: `spec` has fields of the job, such as preset."""

    microscope: str | None = None
    profile: str | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HotFolder:
    """A folder to watch, and one for results, which may lie within it.

    `recursive`: folders below it are mirrored in `output`; else each of them is one image. `settle_s`: for so
    long a file must stay as it is to count as complete. `set_timeout_s`: after so long, a loose set that
    lacks files is reported; it still waits. `in_flight`: most images at the server at a time. `hold_s`: pause
    while the key is refused or there is no room for results. `tell`: called with lines for people.
    """

    folder: Path
    output: Path
    client: AsyncClearScope
    recipe: Recipe = field(default_factory=Recipe)
    when_done: WhenDone = "keep"
    recursive: bool = False
    settle_s: float = 5.0
    set_timeout_s: float = 600.0
    poll_s: float = 2.0
    hold_s: float = 30.0
    in_flight: int = 4
    tell: Callable[[str], None] = print
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    monotonic_s: Callable[[], float] = time.monotonic

    async def watch(self, *, once: bool = False) -> None:
        """Send what arrives until cancelled; `once`: until all that is there has been dealt with.

        A folder that is not there yet, such as a share, is waited for. Raises FolderBusyError if another
        process writes results into the same folder.
        """
        await self._until_there()
        self.output.mkdir(parents=True, exist_ok=True)
        with exclusively(self.output):
            watch = _Watch(self, Journal(self.output), OverdueSets(self.set_timeout_s))
            async with anyio.create_task_group() as tasks:
                while not await watch.look(tasks) or not once:
                    await self.sleep(self.poll_s)
                await watch.report_lacking()

    async def _until_there(self) -> None:
        """Wait for the folder: results within it would make a folder in the place of a share."""
        is_told = False
        while not await to_thread.run_sync(self.folder.is_dir):
            if not is_told:
                self.tell(f"there is no folder {self.folder}; waiting for it")
            is_told = True
            await self.sleep(self.poll_s)


class _Watch:
    """State of one run."""

    def __init__(self, hot: HotFolder, journal: Journal, overdue: OverdueSets) -> None:
        self._hot = hot
        self._journal = journal
        self._settling = Settling(hot.settle_s)
        self._sets = LooseSets()
        self._overdue = overdue
        self._lacking: list[Arrival] = []
        self._sending = Sending(
            hot.client,
            hot.recipe.microscope,
            hot.recipe.profile,
            hot.recipe.spec,
            keep_earlier=hot.when_done == "move",
        )
        self._room = CapacityLimiter(hot.in_flight)
        self._busy: set[str] = set()
        self._told: dict[str, str] = {}
        self._unreadable: set[str] = set()
        self._folder_is_away = False

    async def look(self, tasks: TaskGroup) -> bool:
        """Begin with what is complete and not dealt with; return whether nothing is left to do."""
        hot = self._hot
        try:
            found = await to_thread.run_sync(self._list)
        except OSError as error:
            # A share that is away for a while.
            if not self._folder_is_away:
                hot.tell(f"{hot.folder} cannot be read: {error.strerror}; waiting for it")
            self._folder_is_away = True
            return False
        self._folder_is_away = False
        self._lacking = [each for each in found if each.missing and not is_rest_of_sent(each, self._journal)]
        overdue, complete = self._overdue.look(self._lacking, hot.monotonic_s())
        await to_thread.run_sync(self._report_missing, overdue)
        gone = self._unreadable - {each.name for each in found}
        self._unreadable -= gone
        for name in complete | gone:
            await to_thread.run_sync(self._remove_error, name)
        images = [each for each in found if self._is_to_send(each)]
        for arrival in self._settling.complete(images, hot.monotonic_s()):
            self._busy.add(arrival.name)
            tasks.start_soon(self._deal_with, arrival)
        return not self._busy and all(each.name in self._unreadable for each in images)

    async def report_lacking(self) -> None:
        """Report sets that lack files, for which nobody waits any longer."""
        await to_thread.run_sync(self._report_missing, self._lacking)

    def _report_missing(self, sets: Sequence[Arrival]) -> None:
        for each in sets:
            reason = (
                f"the set lacks {', '.join(each.missing)}; it is sent once all of its files are there. If "
                "one never comes, take the others out of the folder"
            )
            self._hot.tell(f"{each.name}: {reason}")
            self._write_error(each.name, reason)

    def _list(self) -> list[Arrival]:
        hot = self._hot
        folder = hot.folder.resolve()
        left_out = {hot.output.resolve(), folder / DONE_FOLDER}
        found = list(arrivals(folder, left_out, recursive=hot.recursive))
        if hot.when_done != "move":
            return self._sets.joined(found)
        rests = rests_of_moved(found, self._journal, folder / DONE_FOLDER)
        in_rests = {part.name for each in rests for part in each.parts}
        return [*self._sets.joined([each for each in found if each.name not in in_rests]), *rests]

    def _is_to_send(self, arrival: Arrival) -> bool:
        name = arrival.name
        if name in self._busy:
            return False
        if arrival.missing:
            missing = ", ".join(arrival.missing)
            if arrival in self._lacking:
                self._tell_once(name, arrival.state, f"waits for the other files of its set: {missing}")
            return False
        if not is_image(arrival):
            self._tell_once(name, arrival.state, "is no image file by its name; left alone")
            return False
        entry = self._journal.of_name(name)
        if entry is None or entry.file_state != arrival.state or entry.state not in {"done", "failed"}:
            return True
        # Whoever deletes the error file asks for another attempt; a source that could not be moved is moved.
        if entry.state == "failed":
            return not error_file(self._hot.output, name).exists()
        return self._hot.when_done == "move"

    async def _deal_with(self, arrival: Arrival) -> None:
        try:
            async with self._room:
                await self._send(arrival)
        except Exception as error:  # noqa: BLE001  # other images must not wait for somebody to start it again
            await to_thread.run_sync(self._report_fault, arrival, error)
        finally:
            self._busy.discard(arrival.name)

    async def _send(self, arrival: Arrival) -> None:
        hot, name = self._hot, arrival.name
        self._unreadable.discard(name)
        entry = self._journal.of_name(name)
        if entry is not None and (entry.state, entry.file_state) == ("done", arrival.state):
            await to_thread.run_sync(self._move, arrival, entry.digest)
            return
        while True:
            try:
                sent = await self._sending.send(arrival, self._journal, hot.output)
            except _PASSING as error:
                self._tell_once("", error.detail, f"{error.detail}; trying again every {hot.hold_s:g} s")
                await hot.sleep(hot.hold_s)
                continue
            except SourceChangedError:
                return  # it is not complete yet
            except SourceUnreadableError as error:
                await self._report_unreadable(arrival, error)
            except ClientError as error:
                hot.tell(f"{name}: {error.detail}")
                if not await to_thread.run_sync(self._note_failure, arrival, error.detail):
                    await hot.sleep(hot.hold_s)
            else:
                self._told.pop("", None)
                await to_thread.run_sync(self._remove_errors, arrival)
                if hot.when_done == "move":
                    await to_thread.run_sync(self._move, arrival, sent.digest)
                hot.tell(f"{name}: {sent.told}")
            return

    async def _report_unreadable(self, arrival: Arrival, error: SourceUnreadableError) -> None:
        if not all(part.path.exists() for part in arrival.parts or (arrival,)):
            self._hot.tell(f"{arrival.name}: has gone before it was sent")
            await to_thread.run_sync(self._remove_error, arrival.name)
            return
        # Also a file that another program still has locked; it is tried again.
        self._unreadable.add(arrival.name)
        reason = f"{error.detail}; it is sent once it can be read"
        if self._tell_once(arrival.name, reason, reason):
            await to_thread.run_sync(self._write_error, arrival.name, reason)

    def _report_fault(self, arrival: Arrival, error: Exception) -> None:
        # If not even its content is known, it is tried again.
        self._unreadable.add(arrival.name)
        reason = f"an error of this program: {error!r}"
        if self._tell_once(arrival.name, reason, reason):
            self._note_failure(arrival, reason)

    def _note_failure(self, arrival: Arrival, reason: str) -> bool:
        """Return whether it could be noted, so that the image is not sent again."""
        try:
            self._sending.fail(arrival, self._journal, reason)
        except FileUnwritableError as error:
            self._tell_once("", error.detail, error.detail)
            return False
        return self._write_error(arrival.name, reason)

    def _write_error(self, name: str, reason: str) -> bool:
        try:
            write_error(self._hot.output, name, reason)
        except OSError as error:
            self._tell_once(name, "error file", f"its error file cannot be written: {error.strerror}")
            return False
        return True

    def _remove_errors(self, arrival: Arrival) -> None:
        # Before a restart, a set that lacked its first file had the name of another one.
        for name in {arrival.name, *(part.name for part in arrival.parts)}:
            self._remove_error(name)

    def _remove_error(self, name: str) -> None:
        try:
            error_file(self._hot.output, name).unlink(missing_ok=True)
        except OSError as error:
            self._tell_once(name, "error file", f"its error file cannot be removed: {error.strerror}")

    def _move(self, arrival: Arrival, digest: str) -> None:
        try:
            # What was written under the name meanwhile is another image, to be sent.
            if is_unchanged(arrival):
                for part in arrival.parts or (arrival,):
                    move_into(self._hot.folder / DONE_FOLDER, part.path, part.name, digest)
        except OSError as error:
            self._tell_once(arrival.name, "move", f"cannot be moved: {error.strerror}; it is tried again")

    def _tell_once(self, name: str, state: str, text: str) -> bool:
        """Tell a line unless it was the last one about this file; return whether it was new."""
        if self._told.get(name) == state:
            return False
        self._told[name] = state
        self._hot.tell(f"{name}: {text}" if name else text)
        return True
