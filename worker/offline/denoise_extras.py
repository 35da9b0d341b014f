"""Files that `clearscope denoise` writes besides the result: noise models, and a report."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models_store.contracts.outcomes import Outcome
from models_store.contracts.trust import TRUST_PREVIEW
from models_store.contracts.vocabulary import OutputFormat
from models_store.errors import JobFailedError
from models_store.image_files.channels import planes_of_channel
from models_store.image_files.planes import PlaneSource
from models_store.image_files.results.ome_zarr.hierarchy import read_plane
from models_store.noise_model_files.published import write_published
from models_store.whole_files import reporting_write_errors, write_whole
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.noise.fitting.pairs import PairCounts
from worker.engine.prediction.inference import predict_plane
from worker.engine.stages.pretrained import estimate_and_factor
from worker.jobs.inputs import load_noise_model, load_source_of_signal
from worker.offline.carried_out import Prediction
from worker.offline.file_names import of_channel
from worker.offline.report import PICTURE, DenoisedPlane, NoiseEvidence, write_reports
from worker.offline.run import OfflineRun
from worker.offline.targets import output_format_of
from worker.planes.observed_plane import ObservedPlane


def write_noise_models(path: Path, predictions: Sequence[Prediction]) -> Iterator[Path]:
    """Write the noise model of each channel, and yield the paths."""
    for prediction in predictions:
        own = of_channel(path, prediction.channel)
        with reporting_write_errors(own):
            write_whole(own, write_published(prediction.noise_model.parameters).content)
        yield own


def write_report(
    run: OfflineRun,
    folder: Path,
    predictions: Sequence[Prediction],
    observed: PlaneSource,
    target: Path,
    record: Mapping[str, Any],
) -> tuple[Path, ...]:
    """Write a picture for each channel and the record; return their paths.

    `observed`: the image; `target`: the file of its result.
    """

    def result(plane: int) -> NDArray[Any]:
        if output_format_of(target, observed.header.file_kind) is OutputFormat.OME_ZARR:
            return read_plane(target, observed.header, plane)
        return run.reader.open(target)[plane]

    drawings = (_drawing(run, prediction, observed, result) for prediction in predictions)
    return write_reports(folder, drawings, record)


def write_preview(run: OfflineRun, folder: Path, outcome: Outcome) -> tuple[Path, ...]:
    """Write the preview of the trust report; return its path, or nothing if no plane could be shown."""
    if all(artifact.name != TRUST_PREVIEW for artifact in outcome.artifacts):
        return ()
    path = folder / TRUST_PREVIEW
    with reporting_write_errors(path):
        write_whole(path, run.read_artifact(outcome, TRUST_PREVIEW))
    return (path,)


def _drawing(
    run: OfflineRun,
    prediction: Prediction,
    observed: PlaneSource,
    result: Callable[[int], NDArray[Any]],
) -> tuple[str, DenoisedPlane, NoiseEvidence]:
    """Return a file name, and a plane of a channel or image, before and after, with its noise."""
    context = run.context("", None, lambda *_: None)
    channel = prediction.channel
    planes = range(len(observed)) if channel is None else planes_of_channel(observed.header, channel)
    shown, observation_yx = _plane_to_show(observed, planes)
    pairs = PairCounts()
    network = load_source_of_signal(context, prediction.spec.network)
    if isinstance(network, PretrainedNetwork):
        signal_yx, factor_yx = estimate_and_factor(network, observation_yx, device=run.device)
        pairs.add(observation_yx, signal_yx, deviation_factor=factor_yx)
    else:
        # The prior mean is independent of the pixel's own noise; a better estimate would hide some of it.
        pairs.add(observation_yx, predict_plane(network, observation_yx, device=run.device).prior_mean_yx)
    model = load_noise_model(context, prediction.noise_model.noise_model_id)[1]
    name = of_channel(Path(PICTURE), channel).name
    noise = NoiseEvidence(model, pairs.photon_transfer_curve())
    return name, DenoisedPlane(observation_yx, result(shown)), noise


def _plane_to_show(source: PlaneSource, planes: Sequence[int]) -> tuple[int, NDArray[np.float32]]:
    """Return index and pixels of the middle one of some planes, or of the next that is not empty."""
    middle = len(planes) // 2
    for index in (*planes[middle:], *planes[:middle]):
        observed = ObservedPlane.of(source[index])
        if not observed.defects.empty:
            return index, observed.input_yx
    raise JobFailedError("every plane is empty")
