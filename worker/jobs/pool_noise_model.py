"""Job handler: one noise model from the pixel pairs of many images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models_store.contracts.noise_model_specs import PoolNoiseModelSpec
from models_store.contracts.outcomes import Outcome
from models_store.contracts.vocabulary import NoiseModelOrigin
from models_store.job_requests.pooling_rules import require_enough_images
from models_store.noise_model_files.pixel_pairs import PixelPairs
from worker.attempt.context import JobContext
from worker.attempt.registry import KnownPixelPairs
from worker.engine.noise.fitting.binning import PairAxes
from worker.engine.noise.fitting.contradictions import Contradiction
from worker.engine.noise.fitting.kept_pairs import KeptPairs
from worker.engine.stages import pool
from worker.jobs.made_noise_models import made_noise_model

_READING = 0.5
"""Share of the progress of reading the pairs."""


@dataclass(frozen=True)
class _StoredSets:
    """Sets of pairs as compressed files, each decoded whenever it is read."""

    files: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[KeptPairs]:
        for content in self.files:
            pairs = PixelPairs.from_bytes(content)
            yield KeptPairs(**{**vars(pairs), "axes": PairAxes(*pairs.axes.tolist())})


def pool_noise_model(spec: PoolNoiseModelSpec, context: JobContext) -> Outcome:
    """Sum up the pairs that agree, and fit a noise model to the sum."""
    known = context.registry.pairs_to_pool(context.job_id, spec)
    require_enough_images(_count_images(known), "this job")
    files = []
    for done, each in enumerate(known, start=1):
        files.append(context.blobs.get(each.blob_key))
        context.report(_READING * done / len(known), f"pixel pairs {done} of {len(known)} read")
    pooled = pool.pool_noise_model(_StoredSets(files), kind=spec.noise_model_kind.value, seed=spec.seed)
    left_out = {each.index for each in pooled.left_out}
    agreeing = [each for index, each in enumerate(known) if index not in left_out]
    require_enough_images(_count_images(agreeing), "this job, without those that contradict the others")
    warnings = [_warning(known[each.index], each) for each in pooled.left_out]
    for warning in warnings:
        context.warn(warning)
    image_ids = [image_id for each in agreeing for image_id in each.image_ids]
    found = {
        "images": len(image_ids),
        "left_out": [
            {"image_ids": list(known[each.index].image_ids), "variance_ratio": each.variance_ratio}
            for each in pooled.left_out
        ],
    }
    selected = pooled.selected
    told = {"warnings": warnings} if warnings else {}
    return Outcome(
        noise_model=made_noise_model(selected, NoiseModelOrigin.POOLED, context, image_ids, found),
        result={"verdict": selected.check.verdict, "check": selected.check.summary, **found, **told},
    )


def _count_images(known: Sequence[KnownPixelPairs]) -> int:
    return sum(len(each.image_ids) for each in known)


def _warning(known: KnownPixelPairs, contradiction: Contradiction) -> str:
    first, more = known.image_ids[0], len(known.image_ids) - 1
    named = f"image {first}" + (f" and {more} others of its job" if more else "")
    return (
        f"{named} is left out: the variance of its noise is {contradiction.variance_ratio:.2g} times that "
        "of the others at equal signals (another gain, offset or readout mode, or not of this profile)"
    )
