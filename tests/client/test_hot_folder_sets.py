"""Sets whose files lie loose in a watched folder: one image, once all files are there."""

import io
import zipfile
from pathlib import Path

import pytest

from clearscope_client.hot_folder.ndtiff_index import INDEX_NAME, indexed_files
from tests.support.mmstack_files import Part, mmstack
from tests.support.ndtiff_files import Plane, ndtiff_folder
from tests.support.tiff_sets import noisy, ome_set, ome_set_xml, tiff_with
from tests.support.watched_folder import Acquisition

ONE_PLANE = {"T": 1, "Z": 1, "C": 1, "Y": 16, "X": 16}
PLAIN_SET = {
    "a.tif": tiff_with(noisy(16, 16), ""),
    "b.tif": tiff_with(noisy(16, 16), ""),
    "run.companion.ome": ome_set_xml({**ONE_PLANE, "T": 2}, ["a.tif", "b.tif"]).encode(),
}


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


def archived(acquisition: Acquisition) -> dict[str, dict[str, bytes]]:
    """Return the files of each archive that was sent, by the name that the server was told."""
    archives = {}
    for image_id, name in acquisition.server.names.items():
        with zipfile.ZipFile(io.BytesIO(acquisition.server.images[image_id])) as packed:
            archives[name] = {each: packed.read(each) for each in packed.namelist()}
    return archives


@pytest.mark.parametrize("everywhere", [True, False], ids=["all tell of the set", "one tells of the set"])
def test_files_of_micro_manager_that_lie_loose_are_one_image(
    acquisition: Acquisition,
    everywhere: bool,  # noqa: FBT001  # pytest passes it
) -> None:
    parts = [Part("run_MMStack_Pos0.ome.tif", 0, 4), Part("run_MMStack_Pos0_1.ome.tif", 0, 2)]
    files = mmstack(noisy(1, 3, 2, 16, 16), parts, everywhere=everywhere)
    for name, content in {**files, "run_MMStack_Pos0_metadata.txt": b"{}"}.items():
        acquisition.drop(name, content)
    acquisition.watch()
    assert archived(acquisition) == {"run_MMStack_Pos0.zip": files}


def test_files_of_an_ndtiff_that_lie_loose_are_one_image_once_all_are_there(acquisition: Acquisition) -> None:
    planes = [Plane({"time": number}, noisy(16, 16), file=number // 2) for number in range(4)]
    files = ndtiff_folder(planes)
    *first, last = sorted(files)
    for name in first:
        acquisition.drop(name, files[name])
    acquisition.watch()
    assert acquisition.server.names == {}
    assert f"the set lacks {last}" in acquisition.results()["run_NDTiffStack.tif.error.txt"].decode()
    acquisition.drop(last, files[last])
    acquisition.watch()
    assert archived(acquisition) == {"run_NDTiffStack.zip": files}


@pytest.mark.parametrize("cut", [0, 3, 9, 30, 70])
def test_an_index_that_is_still_written_names_the_files_of_whole_entries(cut: int) -> None:
    index = ndtiff_folder([Plane({"time": 0}, noisy(4, 4))])[INDEX_NAME]
    assert set(indexed_files(index[:cut] + b"\0" * 40)) <= {"run_NDTiffStack.tif"}
    assert [*indexed_files(index), *indexed_files(index + bytes(100))] == ["run_NDTiffStack.tif"] * 2


def error_files_of(acquisition: Acquisition) -> set[str]:
    return {name for name in acquisition.results() if name.endswith(".error.txt")}


def test_a_set_of_which_a_file_does_not_come_is_reported_and_sent_if_it_does(
    acquisition: Acquisition,
) -> None:
    for name in ("b.tif", "run.companion.ome"):
        acquisition.drop(name, PLAIN_SET[name])
    acquisition.drop("growing.tif", b"0")
    error_files: dict[int, set[str]] = {}

    def go_on(look: int) -> None:
        error_files[look] = error_files_of(acquisition)
        if look < 40:  # so that the watch goes on
            acquisition.drop("growing.tif", b"0" * look)
        if look == 24:
            told = (acquisition.output / "b.tif.error.txt").read_text()
            assert "the set lacks a.tif; it is sent once all of its files are there" in told
        if look == 30:
            acquisition.drop("a.tif", PLAIN_SET["a.tif"])

    acquisition.during = go_on
    acquisition.watch(set_timeout_s=20.0)
    assert [look for look, names in error_files.items() if names] == list(range(21, 31))
    assert set(acquisition.results()) == {"a.zip", "growing.tif"}
    assert sum("the set lacks a.tif" in line for line in acquisition.lines) == 1


def test_a_reported_set_to_which_a_file_was_added_leaves_no_error_file_when_it_is_taken_away(
    acquisition: Acquisition,
) -> None:
    files = {**PLAIN_SET, "c.tif": PLAIN_SET["a.tif"]}
    files["run.companion.ome"] = ome_set_xml({**ONE_PLANE, "T": 3}, ["a.tif", "b.tif", "c.tif"]).encode()
    for name in ("b.tif", "run.companion.ome"):
        acquisition.drop(name, files[name])
    acquisition.drop("growing.tif", b"0")
    error_files: dict[int, set[str]] = {}

    def go_on(look: int) -> None:
        error_files[look] = error_files_of(acquisition)
        if look < 24:  # so that the watch goes on
            acquisition.drop("growing.tif", b"0" * look)
        if look == 12:
            acquisition.drop("c.tif", files["c.tif"])
        if look == 16:
            for name in ("b.tif", "c.tif", "run.companion.ome"):
                (acquisition.incoming / name).unlink()

    acquisition.during = go_on
    acquisition.watch(set_timeout_s=8.0)
    assert error_files[15] == {"b.tif.error.txt"}
    assert set(acquisition.results()) == {"growing.tif"}


def test_a_watch_that_ends_reports_sets_that_lack_files(acquisition: Acquisition) -> None:
    for name in ("b.tif", "run.companion.ome"):
        acquisition.drop(name, PLAIN_SET[name])
    acquisition.watch()
    assert set(acquisition.results()) == {"b.tif.error.txt"}
    acquisition.drop("a.tif", PLAIN_SET["a.tif"])
    acquisition.watch()
    assert set(acquisition.results()) == {"a.zip"}


def test_what_is_left_of_a_set_that_was_sent_is_not_missed(acquisition: Acquisition) -> None:
    for name, content in PLAIN_SET.items():
        acquisition.drop(name, content)
    acquisition.watch()
    (acquisition.incoming / "a.tif").unlink()
    told = len(acquisition.lines)
    acquisition.watch(set_timeout_s=0)
    assert acquisition.lines[told:] == []
    assert not any(name.endswith(".error.txt") for name in acquisition.results())
