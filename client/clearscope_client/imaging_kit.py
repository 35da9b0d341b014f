"""An algorithm for napari and QuPath, through Imaging Server Kit; needs the extra `imaging-server-kit`.

python -m clearscope_client.imaging_kit --server http://127.0.0.1:8000
"""

import argparse
import os
from collections.abc import Callable, Iterator
from typing import Any

from clearscope_client.arrays import ImageArray
from clearscope_client.blocking import ClearScope
from clearscope_client.errors import JobFailedError
from clearscope_client.offline_kit import sk

_PERCENT = 100
_BETWEEN_PROGRESS_S = 1
_STACK_DIMENSIONS = 3
_LEVELS = {"trust": "info", "check": "warning", "do_not_trust": "error"}

Connect = Callable[[], ClearScope]


def denoising_algorithm(connect: Connect) -> sk.Algorithm:
    """Return an algorithm that sends an image to a ClearScope server."""

    def denoise(image: Any, preset: str, third_axis: str, microscope: str) -> Iterator[Any]:  # noqa: ANN401  # the kit's
        """Remove the noise from a plane or a stack of grey values with a ClearScope server."""
        axes = f"{third_axis}YX" if image.ndim == _STACK_DIMENSIONS else "YX"
        with connect() as server:
            uploaded = server.upload(ImageArray(image, axes), microscope=microscope or None)
            for warning in uploaded.warnings:
                yield sk.Notification(warning, level="warning")
            spec = {"kind": "denoise", "image_ids": [uploaded.id], "preset": preset, "outputs": ["denoised"]}
            job = server.submit(spec)
            while not job.has_ended:
                yield sk.Progress(int(_PERCENT * job.progress), max_val=_PERCENT, name=job.stage or "denoise")
                job = server.job(job.id, wait_s=_BETWEEN_PROGRESS_S)
            if job.state != "succeeded":
                raise JobFailedError(job)
            denoised = server.results(uploaded, job)
        yield sk.Progress(_PERCENT, max_val=_PERCENT, name=job.stage or "denoise")
        yield sk.Image(denoised.array().pixels, name="Denoised")
        if trust := denoised.trust:
            yield sk.Notification(f"{trust.verdict}: {trust.sentence}", level=_LEVELS[trust.verdict])

    parameters = {
        "image": sk.Image(dimensionality=[2, 3]),
        "preset": sk.Choice(name="Preset", items=["instant", "fast", "balanced", "paper"], default="instant"),
        "third_axis": sk.Choice(name="Third axis of stacks", items=["Z", "T", "C"], default="Z"),
        "microscope": sk.String(name="Microscope", default=""),
    }
    return sk.algorithm(name="ClearScope", parameters=parameters)(denoise)


def main() -> None:
    """Serve the algorithm to napari and QuPath."""
    options = argparse.ArgumentParser(description="Offer a ClearScope server to napari and QuPath.")
    options.add_argument("--server", default="http://127.0.0.1:8000", help="address of the ClearScope server")
    options.add_argument("--key", default=os.environ.get("CLEARSCOPE_API_KEY"), help="API key of that server")
    # The kit has no keys of its own: beyond loopback, everybody would act with this one.
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8001)
    given = options.parse_args()
    algorithm = denoising_algorithm(lambda: ClearScope(given.server, given.key))
    sk.serve(algorithm, host=given.host, port=given.port)


if __name__ == "__main__":
    main()
