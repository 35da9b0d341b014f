"""What has been sent: a line of JSON for each step.

Lines that a power cut takes do no harm: the Idempotency-Keys of what is sent again are the same.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from clearscope_client.errors import FileUnwritableError

State = Literal["posted", "done", "failed"]

JOURNAL_NAME = "clearscope-watch.jsonl"


class Entry(BaseModel, frozen=True):
    """The last step of a file's content under a name.

    `sent_as`: the name under which the server knows the content. `attempt` counts how often it was sent anew.
    `parts`: names of the files of a set that lay loose. `results`: names of the files that were written.
    """

    digest: str
    name: str
    sent_as: str
    file_state: str
    state: State
    attempt: int = 1
    image_id: str | None = None
    job_id: str | None = None
    reason: str | None = None
    parts: tuple[str, ...] = ()
    results: tuple[str, ...] = ()


class Journal:
    """The steps of all files, read again at each start."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL_NAME
        self._by_content: dict[str, Entry] = {}
        self._by_name: dict[str, Entry] = {}
        self._by_part: dict[str, Entry] = {}
        self._sources_of_results: dict[str, tuple[str, str]] = {}
        for line in self._lines():
            try:
                self._remember(Entry.model_validate_json(line))
            except ValidationError:
                # The last line of a process that was killed while it wrote.
                continue

    def of_content(self, digest: str) -> Entry | None:
        return self._by_content.get(digest)

    def of_name(self, name: str) -> Entry | None:
        return self._by_name.get(name)

    def of_part(self, name: str) -> Entry | None:
        """Return the last step of the set that a file of this name is one of."""
        return self._by_part.get(name)

    def source_of_result(self, result: str) -> tuple[str, str] | None:
        """Return name and digest of the source that a result of this name is of."""
        return self._sources_of_results.get(result.lower())

    def claim_result(self, result: str, name: str, digest: str) -> None:
        """Reserve the name of a result for a source."""
        self._sources_of_results[result.lower()] = (name, digest)

    def record(self, entry: Entry) -> None:
        """Append a step. Raises FileUnwritableError."""
        try:
            with self._path.open("ab") as file:
                file.write(entry.model_dump_json(exclude_none=True).encode() + b"\n")
        except OSError as error:
            raise FileUnwritableError(f"{self._path} cannot be written: {error.strerror or error}") from error
        self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        self._by_name[entry.name] = entry
        self._by_part.update(dict.fromkeys(entry.parts, entry))
        for result in entry.results:
            self.claim_result(result, entry.name, entry.digest)
        known = self._by_content.get(entry.digest)
        # A copy that has failed takes nothing from the one that has succeeded.
        if known is None or known.state != "done" or entry.state == "done":
            self._by_content[entry.digest] = entry

    def _lines(self) -> list[bytes]:
        if not self._path.exists():
            return []
        content = self._path.read_bytes()
        if content and not content.endswith(b"\n"):
            with self._path.open("ab") as file:
                file.write(b"\n")
        return content.splitlines()
