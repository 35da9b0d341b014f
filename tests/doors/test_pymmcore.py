"""Frames that pymmcore-plus acquires with a simulated microscope are denoised during the run."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import useq
from acquire_with_pymmcore import FramePoster, Results, main
from numpy.typing import NDArray
from simulated_microscope import simulated_microscope

from clearscope_client import ClearScope
from clearscope_client.errors import SpoolFullError
from clearscope_client.spool import Posting, Spool
from tests.support.client_transports import connected
from tests.support.loopback_server import KeyedServer

WAIT_S = 120


@pytest.fixture
def server(keyed: KeyedServer) -> Iterator[ClearScope]:
    with connected(keyed.application, keyed.key) as server:
        yield server


def sent_images(server: ClearScope, run: str) -> dict[str, dict[str, Any]]:
    """Return the documents of a run's images by their places in the sequence."""
    listed = json.loads(server.read("/v1/images?limit=200"))
    names = {image["filename"].removesuffix(".ome.tif"): image for image in listed}
    return {name.removeprefix(run): names[name] for name in sorted(names) if name.startswith(run)}


def acquire(
    server: ClearScope, keyed: KeyedServer, folder: Path, run: str, sequence: useq.MDASequence
) -> list[str]:
    """Acquire a sequence whose frames are sent, and not denoised; return what was told."""
    core, _ = simulated_microscope(seed=1)
    told: list[str] = []
    with Spool(folder, server, Posting(microscope=keyed.microscope)) as spool:
        FramePoster(core, spool, run, told.append).acquire(sequence)
        assert spool.wait_until_sent(WAIT_S)
    return told


@pytest.mark.slow
def test_the_example_calibrates_acquires_and_denoises(
    keyed: KeyedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(keyed.url, keyed.application.make_key("microscope PC", "admin"), tmp_path)
    printed = capsys.readouterr().out
    assert "calibrated: noise model nm_" in printed
    assert f"3 frames acquired, 3 results in {tmp_path / 'results'}" in printed
    for folder in (tmp_path / "results").iterdir():
        (result,) = folder.glob("*_denoised.ome.tif")
        assert tifffile.imread(result).shape == (96, 192)


def test_results_come_back_during_the_run(server: ClearScope, keyed: KeyedServer, tmp_path: Path) -> None:
    core, _ = simulated_microscope(seed=2)
    first_is_back, back_in_time = threading.Event(), []

    def tell(_line: str) -> None:
        first_is_back.set()

    def wait_for_the_first(_frame: NDArray[Any], _event: useq.MDAEvent, _metadata: dict[str, Any]) -> None:
        back_in_time.append(first_is_back.wait(WAIT_S))

    results = Results(server, tmp_path / "results", tell)
    posting = Posting(microscope=keyed.microscope, spec={"preset": "instant", "outputs": ["denoised"]})
    with Spool(tmp_path / "spool", server, posting, on_delivered=results.expect) as spool:
        poster = FramePoster(core, spool, "during", lambda _line: None)
        core.mda.events.frameReady.connect(poster.post)
        core.mda.events.frameReady.connect(wait_for_the_first)
        core.mda.run([useq.MDAEvent(), useq.MDAEvent()])
        assert spool.wait_until_sent(WAIT_S)
    results.wait()
    assert back_in_time == [True, True]
    assert set(results.saved) == {"during_000000", "during_000001"}, results.failed


def test_results_of_frames_that_an_interrupted_run_delivered_are_fetched(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    core, _ = simulated_microscope(seed=6)
    posting = Posting(microscope=keyed.microscope, spec={"preset": "instant", "outputs": ["denoised"]})
    with Spool(tmp_path / "spool", server, posting) as spool:
        FramePoster(core, spool, "interrupted", lambda _line: None).acquire(
            useq.MDASequence(time_plan={"interval": 0, "loops": 2})
        )
        assert spool.wait_until_sent(WAIT_S)
    names = ["interrupted_000000_t0000", "interrupted_000001_t0001"]
    (tmp_path / "results" / names[0]).mkdir(parents=True)
    (tmp_path / "results" / f".{names[1]}.part").mkdir()
    results = Results(server, tmp_path / "results", lambda _line: None)
    with Spool(tmp_path / "spool", server, posting, on_delivered=results.expect) as spool:
        for _ in range(2):
            for earlier in spool.delivered():
                results.expect(earlier)
    results.wait()
    assert list(results.saved) == names[1:], results.failed
    assert tifffile.imread(results.saved[names[1]]).shape == (96, 192)
    assert not (tmp_path / "results" / f".{names[1]}.part").exists()


def test_a_sequence_that_is_no_full_grid_keeps_its_axes(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    stack = useq.MDASequence(z_plan={"range": 2, "step": 1})
    sequence = useq.MDASequence(
        stage_positions=[useq.Position(sequence=stack), useq.Position()],
        time_plan={"interval": 0, "loops": 2},
        axis_order="ptz",
    )
    acquire(server, keyed, tmp_path, "grid", sequence)
    places = [name.partition("_")[2].partition("_")[2] for name in sent_images(server, "grid")]
    stacks = [f"t{t:04d}_p0000_z{z:04d}" for t in range(2) for z in range(3)]
    assert places == [*stacks, "t0000_p0001", "t0001_p0001"]


def test_positions_of_one_name_remain_apart(server: ClearScope, keyed: KeyedServer, tmp_path: Path) -> None:
    same = [useq.Position(name="well"), useq.Position(name="well")]
    acquire(server, keyed, tmp_path, "names", useq.MDASequence(stage_positions=same))
    images = sent_images(server, "names")
    assert list(images) == ["_000000_p0000", "_000001_p0001"]
    assert len({image["sha256"] for image in images.values()}) == 2


def test_a_pixel_size_that_is_not_calibrated_is_left_out_and_told(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    told = acquire(server, keyed, tmp_path, "pixel", useq.MDASequence(time_plan={"interval": 0, "loops": 2}))
    assert told == ["the pixel size is not calibrated (0.0): images and results have none"]
    images = sent_images(server, "pixel").values()
    assert [image["header"]["pixel_size_um"] for image in images] == [None, None]


def test_of_a_cancelled_run_there_are_the_frames_that_were_acquired(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    core, _ = simulated_microscope(seed=3)
    assert core.mda.engine is not None
    core.mda.engine.use_hardware_sequencing = False  # a burst goes on to its end though the run is cancelled
    with Spool(tmp_path, server, Posting(microscope=keyed.microscope)) as spool:
        poster = FramePoster(core, spool, "cancel", lambda _line: None)

        def cancel_at_the_third(*_frame: object) -> None:
            if len(poster.names) == 3:
                core.mda.cancel()

        core.mda.events.frameReady.connect(cancel_at_the_third)
        poster.acquire(useq.MDASequence(time_plan={"interval": 0, "loops": 10}))
        assert spool.wait_until_sent(WAIT_S)
    images = sent_images(server, "cancel")
    assert len(images) == len(poster.names) == 4, "three, and that which the camera has just taken"
    for image in images.values():
        content = server.read(image["content_href"])
        (tmp_path / "frame.tif").write_bytes(content)
        assert np.all(tifffile.imread(tmp_path / "frame.tif") > 0)


def test_a_run_ends_whose_frames_cannot_be_kept(
    server: ClearScope, keyed: KeyedServer, tmp_path: Path
) -> None:
    core, _ = simulated_microscope(seed=4)
    posting = Posting(microscope=keyed.microscope)
    with Spool(tmp_path, server, posting, limit_bytes=1000) as spool:
        poster = FramePoster(core, spool, "full", lambda _line: None)
        with pytest.raises(SpoolFullError, match="more than the spool may hold"):
            poster.acquire(useq.MDASequence(time_plan={"interval": 0, "loops": 4}))
    assert poster.names == []
