"""Denoising images with a trained network, as a job."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np

from models_store.contracts.jobs import PredictSpec
from models_store.contracts.outcomes import MadeArtifact, Outcome
from models_store.contracts.states import Output, OutputDtype
from models_store.errors import InvalidRequestError
from models_store.image_files.writer import write_planes
from models_store.repositories.networks import get_network
from worker.context import JobContext
from worker.engine.inference import predict_plane
from worker.engine.network import Network
from worker.engine.pipeline import Prepared, denoise_plane, prepare_prediction
from worker.jobs.bootstrap_noise_model import made_noise_model
from worker.jobs.inputs import OpenImage, all_planes, load_network, load_noise_model, open_images
from worker.jobs.names import result_names
from worker.jobs.waiting_planes import WaitingPlanes

Denoise = Callable[[np.ndarray], Mapping[Output, np.ndarray]]
"""Gives the outputs (Y, X) of a plane (Y, X), all float32 ADU."""

SHARE_OF_PREPARATION = 0.3
ONLY_DENOISED: tuple[Output, ...] = (Output.DENOISED,)


def predict(spec: PredictSpec, context: JobContext) -> Outcome:
    """Denoise every plane of the job's images; memory does not grow with their number."""
    network_id, network = load_network(context, spec.network)
    with open_images(context, spec.image_ids) as images:
        if network.method == "n2v":
            outcome = Outcome(result={"estimate": "n2v", "reason": "the network is an N2V network"})
            denoise, outputs = _denoise_with_n2v(network, context), ONLY_DENOISED
        else:
            prepared = _prepare(spec, context, images, network_id, network)
            outcome, denoise, outputs = _outcome(prepared), _denoise_with(prepared, context), spec.outputs
        artifacts = tuple(_write_results(images, denoise, outputs, spec.output_dtype, context))
    return outcome.model_copy(update={"artifacts": artifacts})


def _prepare(
    spec: PredictSpec, context: JobContext, images: list[OpenImage], network_id: str, network: Network
) -> Prepared:
    reference = spec.noise_model or _noise_model_of(context, network_id)
    return prepare_prediction(
        all_planes(images),
        n2v=load_network(context, spec.compare_with)[1] if spec.compare_with else None,
        pn2v=network,
        noise_model=load_noise_model(context, reference)[1],
        refit=spec.refit_noise_model,
        seed=spec.seed,
        device=context.device,
        on_plane=lambda done, planes: context.report(
            SHARE_OF_PREPARATION * done / planes, f"estimates compared on plane {done} of {planes}"
        ),
    )


def _noise_model_of(context: JobContext, network_id: str) -> str:
    with context.database.read() as session:
        noise_model_id = get_network(session, network_id).noise_model_id
    if noise_model_id is None:
        raise InvalidRequestError(f"noise_model: network {network_id} names none, so the job must")
    return noise_model_id


def _outcome(prepared: Prepared) -> Outcome:
    choice = prepared.choice
    result: dict[str, Any] = {
        "estimate": choice.estimate,
        "reason": choice.reason,
        "estimated_mse_adu2": choice.scores,
    }
    refitted = prepared.refitted
    return Outcome(noise_model=made_noise_model(refitted) if refitted else None, result=result)


def _denoise_with_n2v(network: Network, context: JobContext) -> Denoise:
    return lambda plane_yx: {
        Output.DENOISED: predict_plane(network, plane_yx, device=context.device).prior_mean_yx
    }


def _denoise_with(prepared: Prepared, context: JobContext) -> Denoise:
    def denoise(plane_yx: np.ndarray) -> Mapping[Output, np.ndarray]:
        denoised = denoise_plane(plane_yx, prepared, device=context.device)
        images = {
            Output.DENOISED: denoised.image_yx,
            Output.PRIOR_MEAN: denoised.pn2v.prior_mean_yx,
            Output.POSTERIOR_STD: denoised.pn2v.posterior_std_yx,
        }
        return {output: image_yx for output, image_yx in images.items() if image_yx is not None}

    return denoise


def _write_results(
    images: list[OpenImage],
    denoise: Denoise,
    outputs: tuple[Output, ...],
    dtype: OutputDtype,
    context: JobContext,
) -> Iterator[MadeArtifact]:
    planes = sum(len(image.reader) for image in images)
    done = 0

    def on_plane() -> None:
        nonlocal done
        done += 1
        fraction = SHARE_OF_PREPARATION + (1 - SHARE_OF_PREPARATION) * done / planes
        context.report(fraction, f"plane {done} of {planes} denoised")

    for image, names in zip(images, result_names(images, outputs), strict=True):
        with TemporaryDirectory(prefix="clearscope-") as folder:
            written = _write_outputs(image, denoise, outputs, dtype, Path(folder), on_plane)
            for output, path in written.items():
                blob = context.store_file(f"{image.image_id}/{output}", path)
                yield MadeArtifact(name=names[output], media_type="image/tiff", blob=blob)


def _write_outputs(
    image: OpenImage,
    denoise: Denoise,
    outputs: tuple[Output, ...],
    dtype: OutputDtype,
    folder: Path,
    on_plane: Callable[[], None],
) -> dict[Output, Path]:
    """Write an image's outputs; all but the first wait on disk, for a TIFF is written plane by plane."""
    reader = image.reader
    first, *others = outputs
    with ExitStack() as stack:
        waiting = {output: stack.enter_context(WaitingPlanes(folder / f"{output}.f32")) for output in others}

        def first_output() -> Iterator[np.ndarray]:
            for plane_yx in reader:
                made = denoise(plane_yx.astype(np.float32))
                for output, planes in waiting.items():
                    planes.append(made[output])
                yield made[first]
                on_plane()

        paths = {output: folder / f"{output}.tif" for output in outputs}
        write_planes(paths[first], first_output(), like=reader, dtype=_dtype_of(first, dtype))
        for output, planes in waiting.items():
            write_planes(paths[output], planes, like=reader, dtype=_dtype_of(output, dtype))
    return paths


def _dtype_of(output: Output, dtype: OutputDtype) -> Literal["float32", "same"]:
    # A standard deviation below one grey value would be rounded away.
    return "float32" if output is Output.POSTERIOR_STD else dtype.value
