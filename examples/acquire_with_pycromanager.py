"""Denoise frames while pycro-manager acquires them: an image processor that posts each to a spool.

    hook = FrameHook(spool, run="20260301")
    with Acquisition(directory="data", name="run", image_process_fn=hook) as acquisition:
        acquisition.acquire(multi_d_acquisition_events(num_time_points=100))

Micro-Manager stores and shows the frames as without it. Each frame is an image of its own, named after its
place in the acquisition. `python examples/acquire_with_pycromanager.py FOLDER` runs it with the Micro-Manager
that is open (Tools > Options > Run server on port 4827).
"""

import argparse
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from clearscope_client import ClearScope, ImageArray
from clearscope_client.errors import ClientError
from clearscope_client.spool import Delivered, Posting, Spool

Metadata = dict[str, Any]

_GREY = 2
"""Axes of a frame; colours have a third."""
# The engines of pycro-manager spell it in two ways.
_PIXEL_SIZE = ("PixelSizeUm", "PixelSize_um")


class FrameHook:
    """An `image_process_fn`: takes an image and its metadata, and returns both as they are."""

    def __init__(self, spool: Spool, run: str, tell: Callable[[str], None] = print) -> None:
        """`run`: name of the acquisition, which no other has: frames of the same name are posted once."""
        self._spool = spool
        self._run = run
        self._tell = tell
        self._told: set[str] = set()
        self.names: list[str] = []

    def __call__(self, image: NDArray[Any], metadata: Metadata) -> tuple[NDArray[Any], Metadata]:
        """Put a frame into the spool; while that is full, the acquisition waits.

        Raises ClientError if the frame cannot be kept, and pycro-manager then ends the acquisition.
        """
        name = f"{self._run}_{len(self.names):06d}_{place_of(metadata)}".rstrip("_")
        if image.ndim == _GREY:
            channel = (str(metadata["Channel"]),) if metadata.get("Channel") else ()
            frame = ImageArray(image, "YX", self._pixel_size_um(metadata), name, channel)
            try:
                self._spool.post(frame, key=name)
            except ClientError as error:
                self._tell(f"{name}: {error.detail}; the acquisition ends")
                raise
            self.names.append(name)
        else:
            self._tell_once(f"an image with the shape {image.shape} is no grey frame: it is not denoised")
        return image, metadata

    def _pixel_size_um(self, metadata: Metadata) -> float | None:
        size_um = next((float(metadata[each]) for each in _PIXEL_SIZE if metadata.get(each)), None)
        if size_um is None:
            self._tell_once("the pixel size is not calibrated (0.0): images and results have none")
        return size_um

    def _tell_once(self, line: str) -> None:
        if line not in self._told:
            self._tell(line)
        self._told.add(line)


def place_of(metadata: Mapping[str, Any]) -> str:
    """Return a frame's place in its acquisition, such as time0003_z0001; axes may have names for numbers."""
    axes: Mapping[str, Any] = metadata.get("Axes", {})
    places = (f"{name}{at:04d}" if isinstance(at, int) else f"{name}-{at}" for name, at in axes.items())
    return "_".join("".join(letter if letter.isalnum() else "-" for letter in place) for place in places)


def main(url: str, key: str | None, folder: Path, microscope: str, frames: int) -> None:
    from pycromanager import Acquisition, multi_d_acquisition_events  # noqa: PLC0415  # only this needs it

    def tell(delivered: Delivered) -> None:
        print(f"{delivered.name}: at the server, job {delivered.job_id}")

    posting = Posting(microscope=microscope, spec={"preset": "instant", "outputs": ["denoised"]})
    with (
        ClearScope(url, key) as server,
        Spool(folder / "spool", server, posting, on_delivered=tell, tell=print) as spool,
    ):
        hook = FrameHook(spool, datetime.now(UTC).strftime("%Y%m%dT%H%M%S"))
        with Acquisition(directory=str(folder), name="acquired", image_process_fn=hook) as acquisition:
            acquisition.acquire(multi_d_acquisition_events(num_time_points=frames))
        spool.wait_until_sent()
    print(f"{len(hook.names)} frames acquired and posted")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Denoise frames while Micro-Manager acquires them.")
    options.add_argument("folder", type=Path, help="for the acquisition, and for frames that wait")
    options.add_argument("--microscope", required=True, help="name of a microscope that the server knows")
    options.add_argument("--frames", type=int, default=10)
    options.add_argument("--server", default="http://127.0.0.1:8000")
    options.add_argument("--key", default=os.environ.get("CLEARSCOPE_API_KEY"), help="with the scope submit")
    given = options.parse_args()
    main(given.server, given.key, given.folder, given.microscope, given.frames)
