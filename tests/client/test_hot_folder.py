"""A watched folder: what is sent, when, how often, and what is told of the rest."""

import hashlib
import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from clearscope_client import AsyncClearScope, Conduct, Retries
from clearscope_client.errors import FolderBusyError
from clearscope_client.exclusive import exclusively
from clearscope_client.hot_folder import HotFolder, Recipe
from tests.support.client_transports import URL
from tests.support.fake_server import FakeServer, problem
from tests.support.tiff_sets import noisy, ome_set, ome_set_xml, tiff_with

ONE_PLANE = {"T": 1, "Z": 1, "C": 1, "Y": 16, "X": 16}
PLAIN_SET = {
    "a.tif": tiff_with(noisy(16, 16), ""),
    "b.tif": tiff_with(noisy(16, 16), ""),
    "run.companion.ome": ome_set_xml({**ONE_PLANE, "T": 2}, ["a.tif", "b.tif"]).encode(),
}
FOR_EVER = Retries(outage_s=float("inf"), first_contact_s=float("inf"), first_pause_s=0, poll_s=0)


@dataclass
class Acquisition:
    """A folder in which files appear, and a time that only pauses of the watch move on."""

    folder: Path
    server: FakeServer = field(default_factory=FakeServer)
    transport: Callable[[httpx2.Request], httpx2.Response] | None = None
    lines: list[str] = field(default_factory=list)
    now_s: float = 0.0
    looks: int = 0
    pause_s: float = 0.001
    during: Callable[[int], None] = lambda _: None
    """Called at each pause with its number."""

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def drop(self, name: str, content: bytes) -> Path:
        path = self.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def watch(self, **options: Any) -> None:
        """Watch until all is dealt with."""

        async def sleep(seconds: float) -> None:
            self.now_s += seconds
            self.looks += 1
            self.during(self.looks)
            await anyio.sleep(self.pause_s)

        async def watch() -> None:
            transport = httpx2.MockTransport(self.transport or self.server)
            conduct = Conduct(URL, FOR_EVER, on_outage=lambda outage: self.lines.append(outage.reason))
            async with AsyncClearScope(URL, conduct=conduct, transport=transport) as client:
                told: dict[str, Any] = {
                    "recipe": Recipe("Scope", spec={"preset": "instant"}),
                    "tell": self.lines.append,
                    "sleep": sleep,
                    "monotonic_s": lambda: self.now_s,
                    "poll_s": 1.0,
                    "settle_s": 3.0,
                    **options,
                }
                await HotFolder(self.incoming, self.output, client, **told).watch(once=True)

        anyio.run(watch)

    def results(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.output.glob("[!.]*") if path.suffix != ".jsonl"}


@pytest.fixture
def acquisition(tmp_path: Path) -> Acquisition:
    (tmp_path / "incoming").mkdir()
    return Acquisition(tmp_path)


def test_a_thousand_files_at_once_are_each_sent_once(
    acquisition: Acquisition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # it would take most of the time
    acquisition.pause_s = 0.2
    for number in range(1000):
        acquisition.drop(f"frame {number}.tif", b"%d" % number)
    acquisition.watch()
    assert acquisition.results() == {f"frame {n}.tif": b"denoised %d" % n for n in range(1000)}
    assert acquisition.server.calls["POST /v1/images"] == acquisition.server.calls["POST /v1/jobs"] == 1000
    acquisition.watch()
    assert acquisition.server.calls["POST /v1/images"] == 1000, "after a restart, nothing is sent again"


def test_no_more_than_the_limit_are_in_flight(acquisition: Acquisition) -> None:
    in_flight, most = 0, 0

    async def denoise(request: httpx2.Request) -> httpx2.Response:
        nonlocal in_flight, most
        if request.url.path == "/v1/images":
            in_flight += 1
            most = max(most, in_flight)
            await anyio.sleep(0.005)
        if request.url.path.startswith("/v1/artifacts/"):
            in_flight -= 1
        return acquisition.server(request)

    acquisition.transport = denoise  # type: ignore[assignment]  # asynchronous, which the transport takes too
    for number in range(12):
        acquisition.drop(f"{number}.tif", b"%d" % number)
    acquisition.watch(in_flight=3)
    assert most == 3
    assert len(acquisition.results()) == 12


def test_a_file_that_grows_is_sent_when_it_has_stopped(acquisition: Acquisition) -> None:
    growing = acquisition.drop("growing.tif", b"0")

    def grow(look: int) -> None:
        if look <= 8 and look % 2 == 0:
            with growing.open("ab") as file:
                file.write(b"%d" % look)

    acquisition.during = grow
    acquisition.watch()
    assert list(acquisition.server.images.values()) == [b"02468"]
    assert acquisition.looks >= 8 + 3


def test_a_set_is_one_image_when_its_last_file_is_there(acquisition: Acquisition) -> None:
    acquisition.drop("run/a.ome.tif", b"first")

    def add(look: int) -> None:
        if look == 2:
            acquisition.drop("run/below/b.ome.tif", b"second")

    acquisition.during = add
    acquisition.watch()
    (archive,) = acquisition.server.images.values()
    assert b"first" in archive
    assert b"second" in archive
    assert list(acquisition.server.names.values()) == ["run.zip"]
    assert "run.zip" in acquisition.results()


@pytest.mark.parametrize("within", ["", "monday/"])
def test_the_files_of_a_loose_set_are_one_image_once_all_are_there(
    acquisition: Acquisition, within: str
) -> None:
    recursive = bool(within)
    files = {
        **{f"{within}{name}": content for name, content in ome_set(noisy(2, 1, 1, 16, 16)).items()},
        f"{within}renamed.ome.tif": tiff_with(noisy(16, 16), ome_set_xml(ONE_PLANE, ["before.ome.tif"])),
        f"{within}alone.ome.tif": tiff_with(noisy(16, 16), ome_set_xml(ONE_PLANE, ["alone.ome.tif"])),
        f"{within}damaged.ome.tif": b"II*",
    }
    *first, last = sorted(files)
    for name in first:
        acquisition.drop(name, files[name])
    acquisition.watch(recursive=recursive)
    sent_alone = ["alone.ome.tif", "damaged.ome.tif", "renamed.ome.tif"]
    assert sorted(acquisition.server.names.values()) == sent_alone
    assert any(f"waits for the other files of its set: {last}" in line for line in acquisition.lines)
    acquisition.drop(last, files[last])
    for _ in range(2):
        acquisition.watch(recursive=recursive, when_done="move")
    (archive,) = [n for n in acquisition.server.names.values() if n not in sent_alone]
    image_id = next(each for each, name in acquisition.server.names.items() if name == archive)
    with zipfile.ZipFile(io.BytesIO(acquisition.server.images[image_id])) as packed:
        of_set = {name.rpartition("/")[2]: content for name, content in files.items()}
        assert {name: packed.read(name) for name in packed.namelist()} == {
            name: content for name, content in of_set.items() if name not in sent_alone
        }
    moved = acquisition.incoming / "done"
    assert {path.relative_to(moved).as_posix() for path in moved.rglob("*") if path.is_file()} == set(files)
    written = {path.name for path in (acquisition.output / within).iterdir()}
    assert f"{archive.removesuffix('.zip')}.zip" in written


def test_a_companion_and_the_plain_files_that_it_names_are_one_image(acquisition: Acquisition) -> None:
    for name, content in PLAIN_SET.items():
        acquisition.drop(name, content)
    acquisition.watch()
    ((image_id, sent_as),) = acquisition.server.names.items()
    assert sent_as == "a.zip"
    with zipfile.ZipFile(io.BytesIO(acquisition.server.images[image_id])) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == PLAIN_SET
    assert not any("waits" in line for line in acquisition.lines)


@pytest.mark.parametrize("files", [ome_set(noisy(2, 1, 1, 16, 16)), PLAIN_SET])
def test_files_of_a_set_that_could_not_be_moved_at_once_are_moved_later(
    acquisition: Acquisition, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in files.items():
        acquisition.drop(name, content)
    rename = Path.rename
    refused: list[str] = []

    def refuse_second(path: Path, target: Path) -> Path:
        if path.parent == acquisition.incoming and path.name == sorted(files)[1] and len(refused) < 3:
            refused.append(path.name)
            raise PermissionError(13, "is open elsewhere")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_second)
    acquisition.watch(when_done="move")
    done = acquisition.incoming / "done"
    assert {path.name: path.read_bytes() for path in done.iterdir()} == files
    assert len(acquisition.server.images) == 1
    assert not any("waits" in line for line in acquisition.lines)


@pytest.mark.parametrize("moved", [1, 2])
def test_a_watch_that_was_ended_while_it_moved_a_set_moves_the_rest(
    acquisition: Acquisition, moved: int
) -> None:
    for name, content in PLAIN_SET.items():
        acquisition.drop(name, content)
    acquisition.watch()
    done = acquisition.incoming / "done"
    done.mkdir()
    for name in sorted(PLAIN_SET)[:moved]:
        (acquisition.incoming / name).rename(done / name)
    acquisition.watch(when_done="move")
    assert {path.name: path.read_bytes() for path in done.iterdir()} == PLAIN_SET
    assert len(acquisition.server.images) == 1
    # A set that begins under the same names is another one.
    *first, last = PLAIN_SET
    acquisition.drop(last, PLAIN_SET[last] + b"\n")
    acquisition.watch(when_done="move")
    assert any("waits for the other files of its set" in line for line in acquisition.lines)
    for name in first:
        acquisition.drop(name, tiff_with(noisy(16, 16), "another"))
    acquisition.watch(when_done="move")
    assert len(acquisition.server.images) == 2
    assert [path.name for path in acquisition.incoming.iterdir()] == ["done"]


def test_folders_below_are_mirrored_if_asked(acquisition: Acquisition) -> None:
    acquisition.server.refuses = b"broken"
    for name in ("a.tif", "monday/a.tif", "monday/deep/er/b.tif"):
        acquisition.drop(name, name.encode())
    acquisition.drop("monday/broken.tif", b"broken")
    acquisition.drop("monday/notes.txt", b"notes")
    acquisition.drop("monday/done/c.tif", b"c")
    acquisition.drop("stack.zarr/0/0", b"chunk")
    acquisition.drop("tuesday/run_1/NDTiff.index", b"index")
    acquisition.drop("tuesday/run_1/run_NDTiffStack.tif", b"stack")
    for _ in range(2):
        acquisition.watch(recursive=True)
    written = {
        path.relative_to(acquisition.output).as_posix(): path.read_bytes()
        for path in acquisition.output.rglob("[!.]*")
        if path.is_file() and path.suffix not in {".jsonl", ".zip"}
    }
    assert b"image-corrupt" in written.pop("monday/broken.tif.error.txt")
    names = ["a.tif", "monday/a.tif", "monday/deep/er/b.tif"]
    assert written == {
        **{name: b"denoised " + name.encode() for name in names},
        "monday/done/c.tif": b"denoised c",
    }
    assert sorted(acquisition.server.names.values()) == [
        *("a.tif", "a.tif", "b.tif", "c.tif", "run_1.zip", "stack.zarr.zip"),
    ]
    assert (acquisition.output / "tuesday" / "run_1.zip").is_file()


def test_sources_of_folders_below_are_moved_with_their_folders(acquisition: Acquisition) -> None:
    for content in (b"1", b"2"):
        acquisition.drop("monday/a.tif", content)
        acquisition.watch(recursive=True, when_done="move")
    moved = acquisition.incoming / "done" / "monday"
    assert sorted(path.read_bytes() for path in moved.iterdir()) == [b"1", b"2"]
    results = acquisition.output / "monday"
    later = f"{hashlib.sha256(b'2').hexdigest()[:8]}-a.tif"
    assert {path.name: path.read_bytes() for path in results.iterdir()} == {
        "a.tif": b"denoised 1",
        later: b"denoised 2",
    }


def test_a_copy_and_a_renamed_file_have_results_and_are_not_sent_again(acquisition: Acquisition) -> None:
    for name in ("a.ome.tif", "a copy.ome.tif"):
        acquisition.drop(name, b"same")
    acquisition.watch()
    (acquisition.incoming / "a.ome.tif").rename(acquisition.incoming / "renamed.ome.tif")
    acquisition.watch()
    assert set(acquisition.results()) == {"a.ome.tif", "a copy.ome.tif", "renamed.ome.tif"}
    assert len(acquisition.server.images) == len(acquisition.server.jobs) == 1


def test_sources_of_one_stem_do_not_overwrite_each_others_results(acquisition: Acquisition) -> None:
    for name in ("a.czi", "a.nd2"):
        acquisition.drop(name, name.encode())
    acquisition.server.result_suffix = "ome.tif"
    for _ in range(2):
        acquisition.watch()
    results = acquisition.results()
    (other,) = results.keys() - {"a.ome.tif"}
    assert other in {"a.czi.ome.tif", "a.nd2.ome.tif"}
    assert sorted(results.values()) == [b"denoised a.czi", b"denoised a.nd2"]


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


def test_a_file_that_vanishes_is_no_failure(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    doomed = acquisition.drop("doomed.tif", b"doomed")
    acquisition.during = lambda look: doomed.unlink(missing_ok=True) if look == 2 else None
    acquisition.watch()
    assert set(acquisition.results()) == {"a.tif"}


def test_what_is_refused_is_told_beside_the_results_and_tried_again_on_request(
    acquisition: Acquisition,
) -> None:
    acquisition.server.refuses = b"broken"
    acquisition.drop("broken.tif", b"broken")
    acquisition.drop("notes.txt", b"notes")
    for _ in range(2):
        acquisition.watch()
    assert acquisition.results() == {
        "broken.tif.error.txt": b"broken.tif: image-corrupt: this is no image\n"
    } or (b"image-corrupt: this is no image" in acquisition.results()["broken.tif.error.txt"])
    assert acquisition.server.calls["POST /v1/images"] == 1
    assert acquisition.lines.count("notes.txt: is no image file by its name; left alone") == 2
    acquisition.server.refuses = None
    (acquisition.output / "broken.tif.error.txt").unlink()
    acquisition.watch()
    assert set(acquisition.results()) == {"broken.tif"}


def test_an_unreadable_file_is_told_and_sent_once_it_can_be_read(
    acquisition: Acquisition, monkeypatch: pytest.MonkeyPatch
) -> None:
    acquisition.drop("locked.tif", b"locked")
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
        if path.name == "locked.tif":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        acquisition.watch()
    assert (
        "Permission denied; it is sent once it can be read"
        in acquisition.results()["locked.tif.error.txt"].decode()
    )
    acquisition.watch()
    assert acquisition.results() == {"locked.tif": b"denoised locked"}


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


def test_sources_are_moved_if_asked_and_none_is_lost(acquisition: Acquisition) -> None:
    acquisition.server.refuses = b"broken"
    for name, content in (("a.tif", b"1"), ("broken.tif", b"broken")):
        acquisition.drop(name, content)
    acquisition.watch(when_done="move")
    acquisition.drop("a.tif", b"2")
    acquisition.watch(when_done="move")
    assert {path.name for path in acquisition.incoming.iterdir()} == {"broken.tif", "done"}
    assert sorted(path.read_bytes() for path in (acquisition.incoming / "done").iterdir()) == [b"1", b"2"]
    results = acquisition.results()
    later = f"{hashlib.sha256(b'2').hexdigest()[:8]}-a.tif"
    assert (results["a.tif"], results[later]) == (b"denoised 1", b"denoised 2")
    assert f"a.tif: denoised as {later}" in acquisition.lines
    # The journal alone knows which of them are taken.
    acquisition.drop("a.tif", b"2")
    acquisition.watch(when_done="move")
    acquisition.drop("a.tif", b"3")
    acquisition.watch(when_done="move")
    assert sorted(acquisition.results().values()) == sorted(
        [b"denoised 1", b"denoised 2", b"denoised 3", results["broken.tif.error.txt"]]
    )


def test_what_is_written_under_the_name_of_a_source_meanwhile_is_sent_too(acquisition: Acquisition) -> None:
    latest = acquisition.drop("latest.tif", b"first")

    def rewrite(request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/v1/jobs" and len(acquisition.server.images) == 1:
            latest.write_bytes(b"the second one")
        return acquisition.server(request)

    acquisition.transport = rewrite
    acquisition.watch(when_done="move")
    assert list(acquisition.server.images.values()) == [b"first", b"the second one"]
    assert [path.read_bytes() for path in (acquisition.incoming / "done").iterdir()] == [b"the second one"]
    assert sorted(acquisition.results().values()) == [b"denoised first", b"denoised the second one"]


def test_a_file_that_is_rewritten_in_place_has_one_result(acquisition: Acquisition) -> None:
    for content in (b"first", b"the second one"):
        acquisition.drop("latest.tif", content)
        acquisition.watch()
    assert acquisition.results() == {"latest.tif": b"denoised the second one"}


def test_the_longest_names_have_error_files_and_results(acquisition: Acquisition) -> None:
    names = [f"{83 * '図'}{end}.tif" for end in "ab"]
    for name in names:
        acquisition.drop(name, name.encode())
    acquisition.server.refuses = names[0].encode()
    acquisition.server.result_suffix = "ome.tif"
    acquisition.watch()
    assert sorted(name.endswith(".tif.error.txt") for name in acquisition.results()) == [False, True]
    acquisition.watch(when_done="move")
    for path in acquisition.output.glob("*.error.txt"):
        path.unlink()
    acquisition.server.refuses = None
    acquisition.watch(when_done="move")
    results = acquisition.results()
    assert sorted(results.values()) == sorted(b"denoised " + name.encode() for name in names)
    assert all(name.endswith(".ome.tif") for name in results)


def test_results_within_the_watched_folder_are_no_sources(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    acquisition.drop(".hidden.tif", b"hidden")
    acquisition.drop("copying.tif.part", b"half")
    output = acquisition.incoming / "denoised"

    async def watch() -> None:
        transport = httpx2.MockTransport(acquisition.server)
        async with AsyncClearScope(URL, transport=transport) as client:
            await HotFolder(acquisition.incoming, output, client, settle_s=0, poll_s=0).watch(once=True)

    for _ in range(2):
        anyio.run(watch)
    assert len(acquisition.server.images) == 1
    assert (output / "a.tif").read_bytes() == b"denoised a"


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
