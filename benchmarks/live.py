"""Live denoising: frames through HTTP and a worker, against the network alone on the same threads."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from rich.table import Table

from clearscope_client import ClearScope, ImageArray
from demo.server import ServerProcess
from worker.engine.networks.pretrained import packaged_network
from worker.engine.noise.models.kinds import noise_model_from_parameters
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.stages.pretrained import estimate_alone, estimate_with_uncertainty, network_for

FRAME_YX = (512, 512)
IN_FLIGHT = 8
FRAMES = 24
ALONE = 3
RATIO_LIMIT = 2.0
MICROSCOPE = "live"
OUTPUTS = (("denoised",), ("denoised", "posterior_std"))
CPU = torch.device("cpu")

Frame = np.ndarray[Any, np.dtype[np.uint16]]


@dataclass(frozen=True)
class Live:
    """Seconds per frame: of the network alone, and through the service with several frames in flight."""

    outputs: tuple[str, ...]
    alone_s: float
    served_s: float
    latency_s: float
    """Median of the times from sending a frame to having its result; most of it, the frames ahead take."""
    single_s: float
    """The same with one frame at a time."""

    @property
    def ratio(self) -> float:
        return self.served_s / self.alone_s


def measure() -> Iterator[Live]:
    """Denoise frames of one camera, whose noise model is in the registry, with the preset `instant`."""
    frames = list(_frames(FRAMES + 1))
    with TemporaryDirectory(prefix="clearscope-live-") as folder:
        server = ServerProcess(Path(folder) / "data", {"CLEARSCOPE_DEVICE": "cpu"})
        server.start()
        try:
            with ClearScope(server.url) as client:
                client.ensure_microscope(MICROSCOPE)
                noise_model_id, parameters = _noise_model(client, frames[0])
                for outputs in OUTPUTS:
                    spec = {"noise_model": noise_model_id, "outputs": outputs}
                    _denoise(client, frames[0], spec)
                    before_s = _alone(frames[:ALONE], parameters, outputs)
                    served_s, latencies_s = _served(client, frames[1:], spec)
                    after_s = _alone(frames[:ALONE], parameters, outputs)
                    # Of another seed: what was computed is not taken again.
                    again = {**spec, "seed": 1}
                    singles_s = [
                        _timed(partial(_denoise, client, each, again)) for each in frames[1 : 1 + ALONE]
                    ]
                    alone_s = median([*before_s, *after_s])
                    yield Live(outputs, alone_s, served_s, median(latencies_s), median(singles_s))
        finally:
            server.stop()


def table(measured: Sequence[Live]) -> Table:
    rendered = Table(
        "outputs",
        "network alone, s",
        "through the service, s per frame",
        "latency, s",
        "latency of one frame at a time, s",
        "ratio",
        "limit",
        title=f"Live: {FRAME_YX[0]} x {FRAME_YX[1]}, instant, {IN_FLIGHT} frames in flight, one worker",
        caption=f"Threads: {torch.get_num_threads()}. The noise model is in the registry. Latency: from "
        "sending a frame to having its result. A worker computes one frame after the other, so that with "
        f"{IN_FLIGHT} in flight a frame waits for those ahead of it.",
    )
    for each in measured:
        rendered.add_row(
            ", ".join(each.outputs),
            f"{each.alone_s:.2f}",
            f"{each.served_s:.2f}",
            f"{each.latency_s:.1f}",
            f"{each.single_s:.2f}",
            f"{each.ratio:.2f}",
            f"{RATIO_LIMIT}",
        )
    return rendered


def _frames(count: int) -> Iterator[Frame]:
    camera = Scmos.with_maps(FRAME_YX, seed=1)
    photons_yx = 80 * simulate_specimen(FRAME_YX, seed=1)
    rng = np.random.default_rng(0)
    return (camera.observe(photons_yx, rng) for _ in range(count))


def _noise_model(client: ClearScope, frame_yx: Frame) -> tuple[str, dict[str, Any]]:
    """Return the id and the parameters of the noise model that a first job makes."""
    result = _denoise(client, frame_yx, {})
    noise_model_id: str = result["noise_model_id"]
    return noise_model_id, dict(client.noise_model(noise_model_id).parameters)


def _denoise(client: ClearScope, frame_yx: Frame, spec: dict[str, Any]) -> dict[str, Any]:
    image = ImageArray(frame_yx, "YX", name="frame")
    done = client.denoise(image, microscope=MICROSCOPE, preset="instant", spec=spec)
    if done.array().pixels.shape != frame_yx.shape or done.job.result is None:
        raise RuntimeError(f"job {done.job.id} has no result of the frame's shape")
    return dict(done.job.result.values)


def _served(
    client: ClearScope, frames: Sequence[Frame], spec: dict[str, Any]
) -> tuple[float, Sequence[float]]:
    """Return seconds per frame, and the latency of each."""
    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        began_s = time.monotonic()
        latencies_s = list(threads.map(lambda frame: _timed(partial(_denoise, client, frame, spec)), frames))
        return (time.monotonic() - began_s) / len(frames), latencies_s


def _alone(frames: Sequence[Frame], parameters: dict[str, Any], outputs: Sequence[str]) -> Sequence[float]:
    """Return the seconds that the network takes for each frame, all symmetries of the square included."""
    pretrained, noise_model = packaged_network(), noise_model_from_parameters(parameters)
    estimate = estimate_with_uncertainty if "posterior_std" in outputs else estimate_alone

    def denoise(frame_yx: Frame) -> None:
        plane_yx = frame_yx.astype(np.float32)
        network = network_for(pretrained, noise_model, plane_yx, bootstrapped=True)
        estimate(network, plane_yx, device=CPU)

    denoise(frames[0])
    return [_timed(partial(denoise, frame)) for frame in frames]


def _timed(work: Callable[[], object]) -> float:
    began_s = time.monotonic()
    work()
    return time.monotonic() - began_s
