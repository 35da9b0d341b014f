"""Names in a watched folder: of results, of copies, of folders below, and of sources that are moved."""

import hashlib
import os

import httpx2
import pytest

from tests.support.watched_folder import Acquisition


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


def test_a_name_that_is_no_utf_8_is_spelled_with_escapes(acquisition: Acquisition) -> None:
    acquisition.drop("a.tif", b"a")
    folder = os.fsencode(acquisition.incoming)
    try:
        for name in (b"caf\xe9.tif", b"caf\xe8.tif"):
            with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH118, PTH123  # bytes are no Path
                file.write(name)
        os.mkdir(os.path.join(folder, b"s\xe9rie"))  # noqa: PTH102, PTH118
        with open(os.path.join(folder, b"s\xe9rie", b"\xe9.ome.tif"), "wb") as file:  # noqa: PTH118, PTH123
            file.write(b"in a set")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    for _ in range(2):
        acquisition.watch(when_done="move")
    results = acquisition.results()
    assert results.keys() == {"a.tif", r"caf\xe9.tif", r"caf\xe8.tif", r"s\xe9rie.zip"}
    assert results[r"caf\xe9.tif"] == b"denoised caf\xe9.tif"
    assert rb"\xe9.ome.tif" in results[r"s\xe9rie.zip"]
    assert [path.name for path in acquisition.incoming.iterdir()] == ["done"]
    assert len(acquisition.server.images) == 4
