"""In-memory registry of a command: its input files and the results of its stages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from models_store.contracts.evaluation import ResultsOfJob
from models_store.contracts.job_specs import StoredSpec
from models_store.contracts.noise_model_specs import PoolNoiseModelSpec
from models_store.contracts.outcomes import MadeNoiseModel, MadePlanes, Outcome
from models_store.errors import NotFoundError
from models_store.image_files.header import ImageHeader
from worker.attempt.registry import (
    KnownFile,
    KnownImage,
    KnownNetwork,
    KnownNoiseModel,
    KnownPixelPairs,
    KnownPlanes,
    KnownRequest,
)

Known = TypeVar("Known")


@dataclass
class MemoryRegistry:
    """In-memory implementation of `worker.attempt.registry.Registry`."""

    _images: dict[str, KnownImage] = field(default_factory=dict)
    _headers: dict[str, ImageHeader] = field(default_factory=dict)
    _networks: dict[str, KnownNetwork] = field(default_factory=dict)
    _noise_models: dict[str, KnownNoiseModel] = field(default_factory=dict)
    _specs: dict[str, StoredSpec] = field(default_factory=dict)
    _request: KnownRequest | None = None
    """What the command asks for; it has one at a time."""
    _results: dict[str, dict[str, Any]] = field(default_factory=dict)
    _planes: dict[str, tuple[MadePlanes, ...]] = field(default_factory=dict)

    def add_image(self, image: KnownImage, header: ImageHeader) -> None:
        self._images[image.image_id] = image
        self._headers[image.image_id] = header

    def add_network(self, network: KnownNetwork) -> None:
        self._networks[network.network_id] = network

    def add_noise_model(self, noise_model: KnownNoiseModel) -> None:
        self._noise_models[noise_model.noise_model_id] = noise_model

    def begin(self, request: KnownRequest) -> None:
        """Register what the jobs that follow belong to."""
        self._request = request

    def add_job(self, job_id: str, spec: StoredSpec) -> None:
        self._specs[job_id] = spec

    def record(self, job_id: str, outcome: Outcome) -> None:
        """Register the results of a job, like the database when a job succeeds."""
        result = dict(outcome.result)
        if outcome.noise_model is not None:
            result["noise_model_id"] = self._register(job_id, outcome.noise_model)
        if outcome.network is not None:
            noise_model_id = outcome.network.noise_model_id or result.get("noise_model_id")
            result["network_id"] = f"net_{job_id}"
            network = outcome.network
            self.add_network(
                KnownNetwork(
                    result["network_id"],
                    network.blob.key,
                    noise_model_id,
                    network.method,
                    network.blob.sha256,
                    network.recipe,
                )
            )
        for image_id, survey in outcome.surveys.items():
            self._images[image_id] = replace(self._images[image_id], survey=survey)
        self._results[job_id] = result
        self._planes[job_id] = outcome.planes

    def images(self, image_ids: Sequence[str]) -> list[KnownImage]:
        return [_known(self._images, image_id, "image") for image_id in image_ids]

    def header(self, image_id: str) -> ImageHeader:
        return _known(self._headers, image_id, "image")

    def network(self, network_id: str) -> KnownNetwork:
        return _known(self._networks, network_id, "network")

    def noise_model(self, noise_model_id: str) -> KnownNoiseModel:
        return _known(self._noise_models, noise_model_id, "noise model")

    def checked_noise_model(self, job_id: str) -> KnownNoiseModel:
        raise NotFoundError(f"job {job_id!r} names no noise model, and a command has no active one")

    def spec(self, job_id: str) -> StoredSpec:
        return _known(self._specs, job_id, "job")

    def request(self, job_id: str) -> KnownRequest:
        if self._request is None:
            raise NotFoundError(f"job {job_id!r} belongs to no request")
        return self._request

    def result(self, job_id: str) -> Mapping[str, Any]:
        return _known(self._results, job_id, "job")

    def part_planes(self, job_ids: Sequence[str]) -> list[KnownPlanes]:
        return [
            KnownPlanes(job_id, planes.image_id, planes.output, planes.blob.key, planes.blob.sha256)
            for job_id in job_ids
            for planes in _known(self._planes, job_id, "job")
        ]

    def pairs_to_pool(self, job_id: str, spec: PoolNoiseModelSpec) -> list[KnownPixelPairs]:
        raise NotFoundError(f"a command keeps no pixel pairs for job {job_id!r} of {spec.microscope}")

    def results_of_images(self, run: ResultsOfJob) -> list[KnownFile]:
        raise NotFoundError(f"there is no job {run.job!r} in a command")

    def _register(self, job_id: str, made: MadeNoiseModel) -> str:
        noise_model_id = f"nm_{job_id}"
        self.add_noise_model(KnownNoiseModel(noise_model_id, made.parameters, made.origin, made.fit_quality))
        return noise_model_id


def _known(entries: Mapping[str, Known], entry_id: str, what: str) -> Known:
    if entry_id not in entries:
        raise NotFoundError(f"there is no {what} {entry_id!r}")
    return entries[entry_id]
