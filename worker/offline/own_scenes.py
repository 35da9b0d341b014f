"""A facility's own images as scenes of a pretraining: their estimated signals."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models_store.errors import InvalidRequestError
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.planes.sequence import PlaneSequence, with_data
from worker.engine.prediction.inference import predict_plane
from worker.engine.pretraining.own_scenes import OwnScenes
from worker.engine.stages.pretrained import network_for
from worker.jobs.inputs import all_planes, open_images
from worker.offline.files import naming_file
from worker.offline.run import offline_run
from worker.offline.series import series_in

MAX_PLANES = 400
"""Planes that are kept in memory, spread over all images."""


def scenes_of_images(
    paths: Sequence[Path],
    network: PretrainedNetwork,
    *,
    smallest_px: int,
    series: int | None = None,
    device: torch.device,
    on_plane: Callable[[int, int], None],
    on_warning: Callable[[str], None],
) -> OwnScenes:
    """Return the signals of images as a network estimates them, the pseudo ground truth of a pretraining.

    `series`: the number of the image in files that hold several. Raises InvalidRequestError for files that
    are unreadable, and if no plane is large enough and holds data.
    """
    with offline_run(paths[0].parent, device=device, show=lambda *_: None, warn=on_warning) as run:
        image_ids = []
        chosen = series_in(run.reader, paths, series)
        for path in paths:
            with naming_file(path):
                image_ids.append(run.add_image(path, chosen[path])[0])
        context = run.context("", None, lambda *_: None)
        with open_images(context, image_ids) as images:
            planes = all_planes(images)
            scenes = OwnScenes.of(_estimates(planes, network, smallest_px, device, on_plane))
    if not scenes.planes:
        raise InvalidRequestError(
            f"no plane of the images has {smallest_px} x {smallest_px} pixels or more, and data"
        )
    return scenes


def _estimates(
    planes: PlaneSequence,
    network: PretrainedNetwork,
    smallest_px: int,
    device: torch.device,
    on_plane: Callable[[int, int], None],
) -> Iterator[NDArray[np.float32]]:
    count = min(len(planes), MAX_PLANES)
    for done, plane_yx in enumerate(with_data(planes, count), start=1):
        if min(plane_yx.shape) >= smallest_px:
            yield predict_plane(network_for(network, None, plane_yx), plane_yx, device=device).prior_mean_yx
        on_plane(done, count)
