"""Provenance of a job's results: ids and digests, versions, times, warnings and the verdict."""

import hashlib
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from models_store.contracts.job_specs import dependencies
from models_store.contracts.noise_models import digest_of_parameters
from models_store.contracts.outcomes import MadeArtifact, MadeNoiseModel, Outcome
from models_store.contracts.prediction_specs import (
    AssembleSpec,
    ChooseEstimateSpec,
    PredictPartSpec,
    PredictSpec,
)
from models_store.contracts.provenance import (
    ChannelProvenance,
    InputFile,
    Provenance,
    UsedNetwork,
    UsedNoiseModel,
    UsedObjective,
)
from models_store.contracts.spec_parts import PACKAGED, PRETRAINED, MadeByJob, Reference
from models_store.contracts.vocabulary import Method
from models_store.image_files.channels import channel_name
from models_store.image_files.header import ImageHeader
from models_store.image_files.objective import objective_of
from models_store.image_files.results.note import ProvenanceNote
from models_store.repositories.jobs.artifacts import name_in_group
from worker.attempt.context import JobContext
from worker.attempt.registry import KnownImage, KnownRequest
from worker.engine.networks.pretrained import packaged_sha256
from worker.jobs.inputs import OpenImage, named_noise_model, resolve
from worker.jobs.result_preview import ResultPreview
from worker.jobs.ro_crate import CRATE_MEDIA_TYPE, CRATE_NAME, ro_crate

_PACKAGES = ("clearscope", "torch", "numpy", "tifffile", "zarr")
_ROLES = ("network", "compare_with", "distilled")
_IN_STACKS = "pretrained_stack"
PRECISION = "precision"
"""Where the result of a prediction names the types in which its convolutions computed."""
_WITHOUT = {"kind", "image_ids", "parts"}


@dataclass
class RunProvenance:
    """What the results of a job have in common, and the warnings and the verdict as far as they are known."""

    context: JobContext
    request: KnownRequest
    channels: tuple[ChannelProvenance, ...]
    warnings: list[str] = field(default_factory=list)
    verdict: Callable[[], Mapping[str, Any]] = dict
    """Returns the figures of `removed_noise`."""
    told: Callable[[], Sequence[str]] = tuple
    """Returns the warnings that are known only when planes are written."""
    clipped: list[str] = field(default_factory=list)
    """Warnings of clipped pixels."""
    documents: list[Provenance] = field(default_factory=list)
    """Of the results that are complete."""
    preview: ResultPreview = field(default_factory=ResultPreview)

    def note(self, image: OpenImage) -> ProvenanceNote:
        """Return the note in an image's result files; it warns of clipped pixels."""
        before = self._document(image)

        def complete(clipped_share: float) -> Provenance:
            if clipped_share:
                self._warn_of_clipped(image, clipped_share)
            found = before.model_copy(
                update={
                    "ended_at": self.context.clock(),
                    "warnings": tuple(dict.fromkeys((*self.warnings, *self.told(), *self.clipped))),
                    "verdict": dict(self.verdict()) or None,
                }
            )
            self.documents.append(found)
            return found

        return ProvenanceNote(before, complete)

    def _document(self, image: OpenImage) -> Provenance:
        spec = self.request.spec
        objective = objective_of(image.reader.header)
        settings = spec.model_dump(mode="json", exclude=_WITHOUT, exclude_none=True)
        return Provenance(
            job_id=self.request.job_id,
            kind=spec.kind,
            preset=getattr(spec, "preset", None),
            seed=getattr(spec, "seed", 0),
            settings=settings,
            input=InputFile(
                image_id=image.image_id,
                filename=Path(image.filename).name,
                sha256=digest_of(self.context, image.known),
                series=image.known.series,
                objective=UsedObjective.model_validate(objective._asdict()) if objective else None,
            ),
            channels=self.channels,
            versions=versions(),
            started_at=self.request.started_at,
        )

    def _warn_of_clipped(self, image: OpenImage, share: float) -> None:
        dtype = image.reader.header.dtype
        text = (
            f"{image.filename}: {share:.2g} of the result's pixels were outside the range of {dtype} and "
            "clipped; float32 keeps them"
        )
        if text not in self.clipped:
            self.clipped.append(text)
            self.context.warn(text)

    def outcome(self, outcome: Outcome, results: Sequence[MadeArtifact]) -> Outcome:
        """Add the results, the RO-Crate of all files and the warnings of clipped pixels to the outcome.

        The crate names files as they are downloaded.
        """
        group = self.request.group
        reports = [
            each if each.image_id else each.model_copy(update={"name": name_in_group(each.name, group)})
            for each in outcome.artifacts
        ]
        blob = self.context.store(CRATE_NAME, ro_crate(self.documents, [*results, *reports]))
        crate = MadeArtifact(name=CRATE_NAME, media_type=CRATE_MEDIA_TYPE, blob=blob)
        result = dict(outcome.result)
        if self.clipped:
            result["warnings"] = [*result.get("warnings", ()), *self.clipped]
        return outcome.model_copy(
            update={"artifacts": (*results, crate, *outcome.artifacts), "result": result}
        )


def versions() -> dict[str, str]:
    """Return the versions of ClearScope, of the libraries that compute and write, and of Python."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def digest_of(context: JobContext, image: KnownImage) -> str:
    """Return the SHA-256 of an image's file; of a folder, that of its files' names and digests."""
    if image.sha256 is not None:
        return image.sha256
    with context.blobs.as_file(image.blob_key) as path:
        if not path.is_dir():
            return _of_file(path)
        digest = hashlib.sha256()
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()} {_of_file(file)}\n".encode())
        return digest.hexdigest()


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def provenance_of_prediction(
    spec: PredictSpec,
    result: Mapping[str, Any],
    made: MadeNoiseModel | None,
    context: JobContext,
) -> RunProvenance:
    """Return the provenance of an undivided prediction with the estimate that it has chosen."""
    noise_model = _named(context, spec) if made is None else _made(made)
    channel = ChannelProvenance(
        channel=spec.channel,
        name=None,
        estimate=result["estimate"],
        reason=result["reason"],
        networks=tuple(_networks(context, spec)),
        noise_model=noise_model,
        precision=tuple(result[PRECISION]),
    )
    request = context.registry.request(context.job_id)
    return RunProvenance(context, request, (channel,), _warnings(context, dependencies(spec)))


def provenance_of_parts(spec: AssembleSpec, header: ImageHeader, context: JobContext) -> RunProvenance:
    """Return the provenance of a divided prediction; its parts name what computed them."""
    channels: dict[int | None, ChannelProvenance] = {}
    before: set[str] = set()
    precisions: dict[int | None, set[str]] = {}
    for part in spec.parts:
        computed = context.registry.spec(part.job)
        # A part that ran before an upgrade does not tell it.
        told = context.registry.result(part.job).get(PRECISION, ())
        precisions.setdefault(part.channel, set()).update(told)
        if part.channel in channels or not isinstance(computed, PredictPartSpec):
            continue
        before |= dependencies(computed)
        result = context.registry.result(computed.choice.job)
        made_id = result.get("noise_model_id")
        noise_model = _known(context, made_id) if made_id else _named(context, computed)
        channels[part.channel] = ChannelProvenance(
            channel=part.channel,
            name=None if part.channel is None else channel_name(header, part.channel),
            estimate=result["estimate"],
            reason=result["reason"],
            networks=tuple(_networks(context, computed)),
            noise_model=noise_model,
        )
    request = context.registry.request(context.job_id)
    used = tuple(
        channel.model_copy(update={PRECISION: tuple(sorted(precisions[number]))})
        for number, channel in channels.items()
    )
    return RunProvenance(context, request, used, _warnings(context, before))


def _warnings(context: JobContext, job_ids: Iterable[str]) -> list[str]:
    """Return the warnings of stages that came before."""
    return [
        text for job_id in sorted(job_ids) for text in context.registry.result(job_id).get("warnings", ())
    ]


def _networks(
    context: JobContext, spec: PredictSpec | ChooseEstimateSpec | PredictPartSpec
) -> Iterator[UsedNetwork]:
    for role in _ROLES:
        reference: Reference | None = getattr(spec, role)
        if reference is None or _was_not_made(context, reference):
            continue
        if reference == PRETRAINED:
            sha256 = packaged_sha256()
            used = UsedNetwork(role=role, id=PRETRAINED, sha256=sha256, method=Method.PRETRAINED)
        else:
            used = _used(context, role, resolve(context, reference, "network_id"))
        yield used
        if used.method is Method.PRETRAINED:
            yield _used_in_stacks(context, spec.pretrained_stack)


def _used_in_stacks(context: JobContext, network_id: str | None) -> UsedNetwork:
    """Return the network for planes with neighbours that competes with one for single planes."""
    if network_id not in {None, PACKAGED}:
        return _used(context, _IN_STACKS, str(network_id))
    sha256 = packaged_sha256(of_stacks=True)
    method = Method.PRETRAINED_STACK
    return UsedNetwork(role=_IN_STACKS, id=method, sha256=sha256, method=method)


def _used(context: JobContext, role: str, network_id: str) -> UsedNetwork:
    known = context.registry.network(network_id)
    return UsedNetwork(
        role=role, id=known.network_id, sha256=known.sha256, method=known.method, recipe=known.recipe
    )


def _was_not_made(context: JobContext, reference: Reference) -> bool:
    return isinstance(reference, MadeByJob) and not context.registry.result(reference.job).get("network_id")


def _named(
    context: JobContext, spec: PredictSpec | ChooseEstimateSpec | PredictPartSpec
) -> UsedNoiseModel | None:
    """Return the noise model that a prediction names, or else the one its network was trained with."""
    reference = spec.noise_model if isinstance(spec, PredictPartSpec) else named_noise_model(spec)
    if reference is not None:
        return _known(context, resolve(context, reference, "noise_model_id"))
    if spec.network == PRETRAINED:
        return None
    network = context.registry.network(resolve(context, spec.network, "network_id"))
    return _known(context, network.noise_model_id) if network.noise_model_id else None


def _known(context: JobContext, noise_model_id: str) -> UsedNoiseModel:
    known = context.registry.noise_model(noise_model_id)
    return UsedNoiseModel(
        id=noise_model_id, sha256=digest_of_parameters(known.parameters), origin=known.origin
    )


def _made(made: MadeNoiseModel) -> UsedNoiseModel:
    return UsedNoiseModel(id=None, sha256=digest_of_parameters(made.parameters), origin=made.origin)
