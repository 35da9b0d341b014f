"""Assembling a divided prediction takes no more memory for many planes than for few."""

import sys
from pathlib import Path

import pytest

from tests.peak_memory import peak_mb

_ASSEMBLE = """
import shutil
from datetime import timedelta

import torch

from models_store.contracts.job_specs import AssembleSpec, PredictSpec
from models_store.contracts.spec_parts import MadeByJob
from models_store.contracts.outcomes import MadeBlob, MadePlanes, Outcome
from models_store.contracts.vocabulary import Output, OutputDtype
from models_store.image_files.tiff.reader import open_planes
from models_store.job_requests.plane_ranges import ImageExtent
from models_store.job_requests.plan_prediction import Extent, plan_prediction
from models_store.repositories import job_lifecycle
from models_store.repositories.jobs.rows import create_composite_job
from models_store.database.engines import Database
from tests.databases import NOON, image
from worker.attempt.checkpoints import BlobCheckpoints
from worker.attempt.context import JobContext
from worker.jobs.assemble import assemble
from worker.planes.raw_planes import write_plane
from worker.attempt.measured_blobs import MeasuredBlobs

source, target = map(Path, sys.argv[1:])
folder = source.parent / f"store-{source.stat().st_size}"
database = Database(f"sqlite:///{folder / 'test.db'}")
database.migrate()
blobs = MeasuredBlobs((folder / "blobs").as_uri())
with open_planes(source) as planes:
    header = planes.header
    extent = Extent([ImageExtent("img_1", len(planes), 512 * 512)], len(planes) * 512 * 512 // 2)
    numbers = iter(range(5))
    plan = plan_prediction(
        PredictSpec(image_ids=["img_1"], network="net_1"), extent, lambda: f"job_{next(numbers)}"
    )
    key = blobs.put_file("images/img_1/content", source).key
    with database.write() as session:
        session.add(image("img_1", header=header.model_dump(mode="json"), blob_key=key))
        session.flush()
        create_composite_job(
            session, job_id="job", spec=plan.stages[0].spec, plan=plan, profile_id=None, now=NOON
        )
    for stage in plan.stages[:-1]:
        made = ()
        if stage.spec.kind == "predict_part":
            with (folder / "part").open("wb") as file:
                for plane in range(stage.spec.first_plane, stage.spec.first_plane + stage.spec.planes):
                    write_plane(file, planes[plane])
            put = blobs.put_file(f"{stage.job_id}/planes", folder / "part")
            blob = MadeBlob(key=put.key, sha256=put.sha256, size_bytes=put.size_bytes)
            made = (MadePlanes(image_id="img_1", output=Output.DENOISED, blob=blob),)
        with database.write() as session:
            claim = job_lifecycle.claim(
                session, stage.job_id, worker="w", now=NOON, lease=timedelta(minutes=1)
            )
            job_lifecycle.finish(session, claim, Outcome(planes=made), NOON)
spec = plan.stages[-1].spec
checkpoints = BlobCheckpoints(blobs, "job_3", 1)
context = JobContext(
    "job_3", 1, database, blobs, torch.device("cpu"), lambda *_: None, checkpoints, print
)
(artifact,) = assemble(spec, context).artifacts
shutil.copy(blobs.local_path(artifact.blob.key), target)
with open_planes(source) as planes, open_planes(target) as results:
    assert len(results) == len(planes)
    for index in range(len(planes)):
        np.testing.assert_array_equal(results[index], planes[index])
database.dispose()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory from /proc")
@pytest.mark.slow
def test_assembling_200_planes_takes_no_more_than_300_mb_above_2(tmp_path: Path) -> None:
    few, many = (peak_mb(_ASSEMBLE, tmp_path, (planes, 512, 512)) for planes in (2, 200))
    assert many - few < 300
