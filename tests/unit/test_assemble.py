"""Memory of assembling a divided prediction does not grow with the number of planes."""

import shutil
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import tifffile

from models_store.contracts.outcomes import MadeBlob, MadePlanes, Outcome
from models_store.contracts.plans import Plan
from models_store.contracts.prediction_specs import AssembleSpec, PredictPartSpec, PredictSpec
from models_store.contracts.vocabulary import Output
from models_store.database.engines import Database
from models_store.database.schema import migrate
from models_store.image_files.tiff.reader import TiffPlanes, open_planes
from models_store.job_requests.plan_prediction import PredictionExtent, plan_prediction
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.repositories.jobs import lifecycle
from models_store.repositories.jobs.rows import create_composite_job
from tests.support.databases import NOON, image, network
from tests.support.job_contexts import context_of
from tests.support.peak_memory import peak_mb
from worker.attempt.measured_blobs import MeasuredBlobs
from worker.attempt.registry import DatabaseRegistry
from worker.jobs.assemble import assemble
from worker.planes.raw_planes import write_plane


def assemble_two_parts(source: Path, target: Path) -> None:
    """Store a stack's planes as two parts of a prediction, assemble them, and compare the result."""
    folder = source.parent / f"store-{source.stat().st_size}"
    database = Database(f"sqlite:///{folder / 'test.db'}")
    migrate(database)
    blobs = MeasuredBlobs((folder / "blobs").as_uri())
    with open_planes(source) as planes:
        plan = _divided(database, blobs, source, planes)
        for stage in plan.stages[:-1]:
            made: tuple[MadePlanes, ...] = ()
            if isinstance(stage.spec, PredictPartSpec):
                made = (_store_part(stage.job_id, stage.spec, planes, blobs, folder),)
            with database.write() as session:
                claim = lifecycle.claim(
                    session, stage.job_id, worker="w", now=NOON, lease=timedelta(minutes=1)
                )
                assert claim is not None
                chosen = {"estimate": "n2v", "reason": "the network's method is n2v"}
                lifecycle.finish(session, claim, Outcome(planes=made, result=chosen), NOON)
    spec = plan.stages[-1].spec
    assert isinstance(spec, AssembleSpec)
    with context_of(DatabaseRegistry(database), blobs, job_id=plan.stages[-1].job_id) as context:
        artifact, *_ = assemble(spec, context).artifacts
    assembled = blobs.local_path(artifact.blob.key)
    assert assembled is not None
    shutil.copy(assembled, target)
    with open_planes(source) as planes, open_planes(target) as results:
        assert len(results) == len(planes)
        for index in range(len(planes)):
            np.testing.assert_array_equal(results[index], planes[index])
        # One plane of the source is read for the preview.
        assert blobs.read_bytes == len(planes) * planes[0].astype(np.float32).nbytes + planes[0].nbytes
    database.dispose()


def _divided(database: Database, blobs: MeasuredBlobs, source: Path, planes: TiffPlanes) -> Plan:
    plane_px = planes.header.height_px * planes.header.width_px
    extent = PredictionExtent([ImageExtent("img_1", len(planes), plane_px)], len(planes) * plane_px // 2)
    numbers = iter(range(5))
    spec = PredictSpec(image_ids=["img_1"], network="net_1")
    plan = plan_prediction(spec, extent, lambda: f"job_{next(numbers)}")
    key = blobs.put_file("images/img_1/content", source).key
    with database.write() as session:
        session.add(image("img_1", header=planes.header.model_dump(mode="json"), blob_key=key))
        session.add(network("net_1"))
        session.flush()
        first = plan.stages[0].spec
        create_composite_job(session, job_id="job", spec=first, plan=plan, profile_id=None, now=NOON)
    return plan


def _store_part(
    job_id: str, spec: PredictPartSpec, planes: TiffPlanes, blobs: MeasuredBlobs, folder: Path
) -> MadePlanes:
    with (folder / "part").open("wb") as file:
        for plane in range(spec.first_plane, spec.first_plane + spec.planes):
            write_plane(file, planes[plane])
    put = blobs.put_file(f"{job_id}/planes", folder / "part")
    blob = MadeBlob(key=put.key, sha256=put.sha256, size_bytes=put.size_bytes)
    return MadePlanes(image_id="img_1", output=Output.DENOISED, blob=blob)


def test_a_divided_prediction_is_put_together_and_each_plane_read_once(tmp_path: Path) -> None:
    source = tmp_path / "stack.tif"
    stack = np.random.default_rng(0).uniform(1, 2, (4, 32, 40)).astype(np.float32)
    tifffile.imwrite(source, stack, photometric="minisblack")
    assemble_two_parts(source, tmp_path / "target.tif")


@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc")
@pytest.mark.slow
def test_assembling_200_planes_takes_no_more_than_300_mb_above_2(tmp_path: Path) -> None:
    few, many = (peak_mb(assemble_two_parts, tmp_path, (planes, 512, 512)) for planes in (2, 200))
    assert many - few < 300
