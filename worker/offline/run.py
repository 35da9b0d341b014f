"""Runs jobs in this process, with the specs, plans and handlers of workers and a registry in memory."""

import signal
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import torch

from models_store.clock_and_ids import new_id, system_clock
from models_store.contracts.evaluation import EvaluateSpec
from models_store.contracts.job_specs import StoredSpec, channel_of
from models_store.contracts.noise_model_specs import PoolNoiseModelSpec
from models_store.contracts.noise_models import NoiseModelParameters
from models_store.contracts.outcomes import MadeBlob, Outcome
from models_store.contracts.plans import Plan
from models_store.contracts.progress import ShowStage
from models_store.contracts.vocabulary import Method, NoiseModelOrigin
from models_store.errors import JobFailedError
from models_store.image_files.channels import channel_title
from models_store.image_files.header import ImageHeader
from models_store.image_files.isolation.launch import ReadingService
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.isolation.reading_limits import OF_COMMANDS
from models_store.survey.survey import Survey
from models_store.whole_files import reporting_write_errors, write_whole
from worker.attempt.context import JobContext
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.progress import part_of
from worker.attempt.registry import KnownImage, KnownNetwork, KnownNoiseModel, KnownRequest
from worker.engine.errors import EngineError
from worker.engine.networks.network import Network
from worker.engine.networks.pretrained import PretrainedNetwork
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.jobs.handlers import carry_out
from worker.jobs.ro_crate import CRATE_NAME, renamed
from worker.offline.files import read_noise_model_file
from worker.offline.memory_registry import MemoryRegistry
from worker.offline.targets import beside, is_zarr_folder, move_result


@dataclass(frozen=True)
class OfflineRun:
    """State shared by the jobs of one command."""

    blobs: MeasuredBlobs
    reader: Reader
    device: torch.device
    show: ShowStage
    warn: Callable[[str], None]
    presets: Mapping[str, TrainingPreset] = field(default_factory=lambda: PRESETS)
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Duration of each stage."""
    _warned: set[str] = field(default_factory=set)

    def add_image(
        self, path: Path, series: int | None = None, *, named: bool = False
    ) -> tuple[str, ImageHeader, Survey]:
        """Inspect and survey an image file like an upload; return its id, header and survey.

        `named`: warnings name the series. Raises like `open_planes`, and ImageContentError for pixels without
        information.
        """
        planes, _ = self.reader.inspect(path, series=series)
        for text in planes.header.warnings:
            self.warn_once(f"series {series}: {text}" if named else text)
        survey = planes.survey()
        image_id = self._link(path, planes.header, survey)
        (known,) = self.registry.images([image_id])
        # Jobs warn of it too, in these words.
        self._warned.update(f"{known.title}: {text}" for text in planes.header.warnings)
        return image_id, planes.header, survey

    def add_file(self, path: Path, series: int | None = None) -> tuple[str, ImageHeader]:
        """Read the header of an image file without checking its pixels; return its id and header."""
        header = self.reader.open(path, series=series).header
        return self._link(path, header, None), header

    def add_network(self, network: Network | PretrainedNetwork) -> str:
        network_id = new_id("net")
        stored = self.blobs.put(f"networks/{network_id}", network.to_bytes())
        method = _method_of(network)
        self.registry.add_network(KnownNetwork(network_id, stored.key, None, method, stored.sha256))
        return network_id

    def add_noise_models(
        self, files: Path | Sequence[Path | None] | None
    ) -> str | tuple[str | None, ...] | None:
        """Read the noise model file of all channels, or one for each; return the ids in the same form."""
        if isinstance(files, Sequence):
            return tuple(self._add_noise_model_file(path) for path in files)
        return self._add_noise_model_file(files)

    def _add_noise_model_file(self, path: Path | None) -> str | None:
        return None if path is None else self.add_noise_model(read_noise_model_file(path))

    def add_noise_model(self, parameters: NoiseModelParameters) -> str:
        noise_model_id = new_id("nm")
        known = KnownNoiseModel(noise_model_id, parameters, NoiseModelOrigin.IMPORT, {})
        self.registry.add_noise_model(known)
        return noise_model_id

    def warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.warn(text)

    def context(self, job_id: str, stage: str | None, report: Callable[[float, str], None]) -> JobContext:
        return JobContext(
            job_id=job_id,
            stage=stage,
            attempt=1,
            registry=self.registry,
            blobs=self.blobs,
            reader=self.reader,
            device=self.device,
            report=report,
            warn=self.warn_once,
            presets=self.presets,
        )

    def begin(self, spec: StoredSpec) -> None:
        """Note what the command asks for, as the provenance of its results."""
        self.registry.begin(KnownRequest(new_id("run"), spec, system_clock()))

    def carry_out(self, spec: StoredSpec, stage: str) -> Outcome:
        """Run a job without stages; `stage` is its name in the progress."""
        return self._carry_out(new_id("job"), spec, None, stage, (0.0, 1.0))

    def carry_out_plan(self, plan: Plan) -> Outcome:
        """Run the stages of a plan in order; return the outcome of the last one."""
        outcome = Outcome()
        weights: dict[str, float] = defaultdict(float)
        for planned in plan.stages:
            weights[planned.stage] += planned.weight
        done: dict[str, float] = defaultdict(float)
        for planned in plan.stages:
            begin = done[planned.stage] / weights[planned.stage]
            done[planned.stage] += planned.weight
            end = done[planned.stage] / weights[planned.stage]
            outcome = self._carry_out(
                planned.job_id, planned.spec, planned.stage, planned.stage, (begin, end)
            )
        return outcome

    def move_results(self, outcome: Outcome, targets: Mapping[str, Path], *, crate: bool) -> list[Path]:
        """Move results to the targets of their images, by id; write an RO-Crate and its other files if asked.

        Returns the paths of the crate, which lie beside the first result.
        """
        results = {artifact.image_id: artifact for artifact in outcome.artifacts}
        names = {}
        for image_id, target in targets.items():
            self.move_blob(results[image_id].blob, target)
            names[results[image_id].name] = f"{target.name}/" if is_zarr_folder(target) else target.name
        if not crate:
            return []
        first = next(iter(targets.values()))
        of_job = [each.name for each in outcome.artifacts if each.image_id is None]
        paths = {name: beside(first, name) for name in of_job}
        names |= {name: path.name for name, path in paths.items()}
        for name, path in paths.items():
            content = self.read_artifact(outcome, name)
            with reporting_write_errors(path):
                write_whole(path, renamed(content, names) if name == CRATE_NAME else content)
        return list(paths.values())

    def read_artifact(self, outcome: Outcome, name: str) -> bytes:
        """Return the content of an artifact that belongs to a job as a whole."""
        found = next((each for each in outcome.artifacts if (each.image_id, each.name) == (None, name)), None)
        if found is None:
            raise JobFailedError(f"the job made no {name}")
        return self.blobs.get(found.blob.key)

    def move_blob(self, blob: MadeBlob, target: Path) -> None:
        """Move a result to its target path, atomically; see `move_result`."""
        path = self.blobs.local_path(blob.key)
        if path is None:
            raise JobFailedError(f"{blob.key} is not on this machine")
        with reporting_write_errors(target):
            move_result(path, target)

    def _carry_out(
        self, job_id: str, spec: StoredSpec, stage: str | None, shown_as: str, within: tuple[float, float]
    ) -> Outcome:
        started_s = time.monotonic()
        report = part_of(lambda fraction, status: self.show(shown_as, fraction, status), *within)
        self.registry.add_job(job_id, spec)
        try:
            outcome = carry_out(spec, self.context(job_id, stage, report))
        except EngineError as error:
            raise JobFailedError(self._of_channel(spec, error.detail)) from error
        self.registry.record(job_id, outcome)
        report(1.0, "done")
        self.seconds[shown_as] += time.monotonic() - started_s
        return outcome

    def _of_channel(self, spec: StoredSpec, detail: str) -> str:
        """Name the channel in an error of a job that reads a single one."""
        channel = channel_of(spec)
        if channel is None or isinstance(spec, EvaluateSpec | PoolNoiseModelSpec):
            return detail
        return f"{channel_title(self.registry.header(spec.image_ids[0]), channel)}: {detail}"

    def _link(self, path: Path, header: ImageHeader, survey: Survey | None) -> str:
        image_id = new_id("img")
        self.blobs.link_file(f"images/{image_id}/content", path)
        key = f"images/{image_id}/content"
        known = KnownImage(image_id, str(path), key, survey, header.series)
        self.registry.add_image(known, header)
        return image_id


def _method_of(network: Network | PretrainedNetwork) -> Method:
    if isinstance(network, PretrainedNetwork):
        return Method.PRETRAINED_STACK if network.sees_neighbours else Method.PRETRAINED
    return Method(network.method)


@contextmanager
def offline_run(
    folder: Path,
    *,
    device: torch.device,
    show: ShowStage,
    warn: Callable[[str], None] = lambda _: None,
    presets: Mapping[str, TrainingPreset] = PRESETS,
) -> Iterator[OfflineRun]:
    """Open a run with temporary files in `folder`, the file system of its results, which are moved there."""
    before = tempfile.tempdir
    service = ReadingService()
    with (
        _exiting_on_sigterm(),
        tempfile.TemporaryDirectory(prefix=".clearscope-", dir=folder, ignore_cleanup_errors=True) as name,
    ):
        tempfile.tempdir = name
        try:
            with service.running() as isolation, isolation.reader(OF_COMMANDS) as reader:
                blobs = MeasuredBlobs((Path(name).absolute() / "blobs").as_uri())
                yield OfflineRun(blobs, reader, device, show, warn, presets)
        finally:
            tempfile.tempdir = before


@contextmanager
def _exiting_on_sigterm() -> Iterator[None]:
    """Have SIGTERM raise SystemExit, so that no files are left behind; batch systems end jobs by it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(signal_number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + signal_number)
