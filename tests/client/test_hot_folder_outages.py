"""A watched folder while server, disk, key or the watch itself is away for a time."""

import os
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clearscope_client.errors import FolderBusyError
from clearscope_client.exclusive import exclusively
from tests.support.client_transports import URL
from tests.support.fake_server import problem
from tests.support.watched_folder import Acquisition


def test_a_full_disk_for_results_is_waited_for(
    acquisition: Acquisition, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquisition.server.refuses = b"broken"
    acquisition.drop("a.tif", b"a")
    acquisition.drop("broken.tif", b"broken")
    failures = iter(range(12))
    fsync, write_text = os.fsync, Path.write_text

    def full_at_first(write: Any) -> Any:
        def write_unless_full(*arguments: Any) -> Any:
            if next(failures, None) is not None:
                raise OSError(28, "No space left on device")
            return write(*arguments)

        return write_unless_full

    monkeypatch.setattr(os, "fsync", full_at_first(fsync))
    monkeypatch.setattr(Path, "write_text", full_at_first(write_text))
    acquisition.watch()
    assert acquisition.results().keys() == {"a.tif", "broken.tif.error.txt"}
    assert any("No space left on device; trying again" in line for line in acquisition.lines)


def test_an_outage_is_waited_for_and_told(acquisition: Acquisition) -> None:
    def away_at_first(request: httpx2.Request) -> httpx2.Response:
        if acquisition.server.calls.total() == 0 and not acquisition.lines:
            raise httpx2.ConnectError("refused")
        return acquisition.server(request)

    acquisition.transport = away_at_first
    acquisition.drop("a.tif", b"a")
    acquisition.watch()
    assert acquisition.results() == {"a.tif": b"denoised a"}
    assert acquisition.lines[:2] == [f"no response from {URL} (refused)", f"{URL} answers again"]


def test_a_refused_key_holds_all_until_it_is_renewed(acquisition: Acquisition) -> None:
    refusals = iter([problem(403, "storage-quota-exceeded", "no room left")] * 3)

    def refuse(request: httpx2.Request) -> httpx2.Response:
        return next(refusals, None) or acquisition.server(request)

    acquisition.transport = refuse
    acquisition.drop("a.tif", b"a")
    acquisition.watch()
    assert acquisition.results() == {"a.tif": b"denoised a"}
    assert sum("no room left" in line for line in acquisition.lines) == 1


@pytest.mark.parametrize("lost", ["images", "jobs", "artifacts"])
def test_a_watch_that_was_ended_goes_on_where_it_was(acquisition: Acquisition, lost: str) -> None:
    """Ended in the middle of an answer, after the server has done what was asked for."""

    def end(request: httpx2.Request) -> httpx2.Response:
        answer = acquisition.server(request)
        if request.url.path.startswith(f"/v1/{lost}"):
            raise KeyboardInterrupt
        return answer

    acquisition.drop("a.tif", b"a")
    acquisition.transport = end
    with pytest.RaisesGroup(KeyboardInterrupt, allow_unwrapped=True, flatten_subgroups=True):
        acquisition.watch()
    acquisition.transport = None
    acquisition.watch()
    assert acquisition.results() == {"a.tif": b"denoised a"}
    assert len(acquisition.server.images) == len(acquisition.server.jobs) == 1


def test_a_job_that_somebody_deleted_is_posted_anew(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    acquisition.watch()
    acquisition.server.jobs.clear()
    (acquisition.incoming / "a.tif").rename(acquisition.incoming / "b.tif")
    acquisition.watch()
    assert set(acquisition.results()) == {"a.tif", "b.tif"}


def test_a_journal_cut_off_in_the_middle_of_a_line_is_read(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    acquisition.watch()
    journal = acquisition.output / "clearscope-watch.jsonl"
    os.truncate(journal, journal.stat().st_size - 10)
    acquisition.drop("b.tif", b"b")
    acquisition.watch()
    assert set(acquisition.results()) == {"a.tif", "b.tif"}
    assert len(acquisition.server.images) == len(acquisition.server.jobs) == 2


def test_two_watches_do_not_share_an_output_folder(acquisition: Acquisition) -> None:
    acquisition.output.mkdir()
    with exclusively(acquisition.output), pytest.raises(FolderBusyError, match="another process uses"):
        acquisition.watch()
