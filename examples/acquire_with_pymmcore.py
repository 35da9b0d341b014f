"""Denoise frames while pymmcore-plus acquires them: python examples/acquire_with_pymmcore.py FOLDER.

The microscope is simulated; with Micro-Manager, `CMMCorePlus` takes its place. Each frame is an image of its
own, named after its place in the sequence, so nothing has to be known of the sequence beforehand:

- sequences that are no full grid (stacks at some positions only, say) keep their axes;
- a pixel size that is not calibrated (0.0) is left out, and told;
- of a run that is cancelled there are the frames that were acquired, and no empty ones;
- positions of the same name remain apart;
- a run that was interrupted loses nothing: the next one sends what waits and fetches what is missing.
"""

import argparse
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import useq
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus
from simulated_microscope import simulated_microscope

from clearscope_client import ClearScope, Denoised, ImageArray, NoiseModel
from clearscope_client.errors import ClientError
from clearscope_client.spool import Delivered, Posting, Spool

MICROSCOPE = "Simulated microscope"
CALIBRATION_FRAMES = 20
AT_A_TIME = 8


class FramePoster:
    """Posts each frame of a run to a spool as it is acquired."""

    def __init__(self, core: CMMCorePlus, spool: Spool, run: str, tell: Callable[[str], None]) -> None:
        self._core = core
        self._spool = spool
        self._run = run
        self._tell = tell
        self._told: set[str] = set()
        self.names: list[str] = []
        self.failure: ClientError | None = None

    def acquire(self, sequence: useq.MDASequence) -> None:
        """Run a sequence, unless it is cancelled before its end; raises ClientError if frames are lost."""
        self._core.mda.events.frameReady.connect(self.post)
        try:
            self._core.mda.run(sequence)
        finally:
            self._core.mda.events.frameReady.disconnect(self.post)
        if self.failure is not None:
            raise self.failure

    def post(self, frame_yx: NDArray[Any], event: useq.MDAEvent, metadata: dict[str, Any]) -> None:
        """Put a frame into the spool; while that is full, the acquisition waits."""
        if self.failure is not None:
            return  # the rest of a burst that the camera had begun, which cancelling does not end
        name = f"{self._run}_{len(self.names):06d}_{place_of(event)}".rstrip("_")
        pixel_size_um = metadata["pixel_size_um"]
        if not pixel_size_um:
            self._tell_once("the pixel size is not calibrated (0.0): images and results have none")
        channel = (event.channel.config,) if event.channel else ()
        image = ImageArray(frame_yx, "YX", pixel_size_um, name, channel)
        try:
            self._spool.post(image, key=name)
        except ClientError as error:
            # An exception in a callback is only logged; a run whose frames are lost must end.
            self.failure = error
            self._core.mda.cancel()
            return
        self.names.append(name)

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._tell(line)
        self._told.add(line)


def place_of(event: useq.MDAEvent) -> str:
    """Return a frame's place in its sequence, such as t0003_p0001_c0000; positions by number, not by name."""
    return "_".join(f"{axis}{number:04d}" for axis, number in event.index.items())


class Results:
    """Brings results back during the run; `saved` has the files, `failed` why there is none.

    The results of a frame are in a folder of its name, which is there once it has all of them.
    """

    def __init__(self, server: ClearScope, folder: Path, tell: Callable[[str], None]) -> None:
        self._server = server
        self._folder = folder
        self._tell = tell
        self._threads = ThreadPoolExecutor(AT_A_TIME)
        self._coming: dict[str, Future[None]] = {}
        self._adding = threading.Lock()
        self.saved: dict[str, Path] = {}
        self.failed: dict[str, str] = {}

    def expect(self, delivered: Delivered) -> None:
        """Fetch the result of a frame that the server has, unless it is there or on its way."""
        name = delivered.name.removesuffix(".ome.tif")
        with self._adding:
            if (
                delivered.job_id is not None
                and name not in self._coming
                and not (self._folder / name).exists()
            ):
                self._coming[name] = self._threads.submit(self._fetch, name, delivered)

    def wait(self) -> None:
        for each in self._coming.values():
            each.result()
        self._threads.shutdown()

    def _fetch(self, name: str, delivered: Delivered) -> None:
        unfinished = self._folder / f".{name}.part"
        try:
            job = self._server.wait(delivered.job_id or "")
            denoised: Denoised = self._server.results(
                self._server.image(delivered.image_id), job, output=unfinished
            )
        except ClientError as error:
            self.failed[name] = error.detail
            self._tell(f"{name}: {error.detail}")
            return
        unfinished.rename(self._folder / name)
        (self.saved[name],) = (
            self._folder / name / file.path.name
            for file in denoised.files
            if file.artifact.output == "denoised" and file.path
        )
        self._tell(f"{name}: {denoised.trust.verdict if denoised.trust else 'no verdict'}")


def calibrate(core: CMMCorePlus, server: ClearScope, microscope: str) -> NoiseModel:
    """Record a still, defocused scene and have its noise model fitted; the key needs the scope calibrate."""
    frames_tyx = np.stack([core.snap() for _ in range(CALIBRATION_FRAMES)])
    stack = ImageArray(frames_tyx, "TYX", core.getPixelSizeUm(), "calibration")
    image = server.upload(stack, microscope=microscope, role="calibration")
    job = server.wait(server.submit({"kind": "fit_noise_model", "image_ids": [image.id]}).id)
    if job.result is None:
        raise AssertionError("a job that has succeeded has a result")
    return server.noise_model(job.result.values["noise_model_id"])


def main(url: str, key: str | None, folder: Path) -> None:
    core, camera = simulated_microscope(seed=0)
    with ClearScope(url, key) as server:
        server.ensure_microscope(MICROSCOPE)
        camera.in_focus = False
        noise_model = calibrate(core, server, MICROSCOPE)
        print(f"calibrated: noise model {noise_model.id}, {noise_model.kind}")

        camera.in_focus = True
        results = Results(server, folder / "results", print)
        to_denoise = Posting(microscope=MICROSCOPE, spec={"preset": "instant", "outputs": ["denoised"]})
        with Spool(folder / "spool", server, to_denoise, on_delivered=results.expect, tell=print) as spool:
            for earlier in spool.delivered():
                results.expect(earlier)  # frames of a run that was interrupted
            # A name of its own: frames whose names were posted before are not posted again.
            run = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
            poster = FramePoster(core, spool, run, print)
            poster.acquire(useq.MDASequence(time_plan={"interval": 0, "loops": 3}))
            spool.wait_until_sent()
        results.wait()
    print(f"{len(poster.names)} frames acquired, {len(results.saved)} results in {folder / 'results'}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Denoise frames while they are acquired.")
    options.add_argument("folder", type=Path, help="for results, and for frames that wait for the server")
    options.add_argument("--server", default="http://127.0.0.1:8000")
    options.add_argument("--key", default=os.environ.get("CLEARSCOPE_API_KEY"), help="with the scope admin")
    given = options.parse_args()
    main(given.server, given.key, given.folder)
