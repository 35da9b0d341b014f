"""Benchmarks of `make bench`: filters, quality, counted work, time to quality."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import camera_maps, machine_limits, quality, reference, time_to_quality, work
from benchmarks.classical import NoiseLine, Result, best_result, bm3d_results
from benchmarks.fields import ScoredField
from worker.engine.scores.metrics import affine_invariant_psnr
from worker.engine.simulation import Scmos, simulate_specimen
from worker.engine.training.presets import PRESETS, TrainingPreset
from worker.reproduction.datasets import WHOLE, Dataset
from worker.reproduction.datasets import FieldOfView as Place

SIDE_PX = 64
TINY = replace(
    PRESETS["fast"],
    features=4,
    depth=2,
    samples=5,
    patch_px=32,
    patches_per_step=2,
    patches_at_once=2,
    n2v_steps=4,
    pn2v_steps=4,
    distillation_steps=4,
    steps_per_validation=2,
    reduced_precision=False,
    symmetries=1,
)
TINY_BLIND = replace(TINY, architecture="blind-spot", gaussians=2)


@pytest.fixture(scope="module")
def field() -> ScoredField:
    specimen_yx = simulate_specimen((SIDE_PX, SIDE_PX), seed=1)
    camera, rng = Scmos.with_maps((SIDE_PX, SIDE_PX), seed=1), np.random.default_rng(1)
    frames = [camera.observe(60 * specimen_yx, rng) for _ in range(2)]
    return ScoredField("simulated", frames[0], specimen_yx, (frames[1],))


def test_the_noise_is_estimated_from_a_reference_on_another_scale() -> None:
    reference_yx = np.linspace(0.0, 1.0, 512 * 512).reshape(512, 512)
    rng = np.random.default_rng(0)
    observation_yx = 100 + 3.0 * rng.poisson(50 * reference_yx) + rng.normal(0.0, 5.0, reference_yx.shape)
    noise = NoiseLine.of(observation_yx, reference_yx)
    assert noise.gain_adu == pytest.approx(3.0, rel=0.05)
    assert 3.0 * 100 + noise.variance_adu2 == pytest.approx(25.0, abs=10.0)
    stable_yx = noise.stabilise(observation_yx)
    assert [float(rows.std(axis=1).mean()) for rows in np.split(stable_yx, 4)] == pytest.approx(
        [1.0] * 4, abs=0.1
    )


def test_the_inverse_transform_is_unbiased() -> None:
    rng = np.random.default_rng(0)
    noise = NoiseLine(gain_adu=2.0, variance_adu2=9.0)
    for signal_adu in (4.0, 20.0, 200.0):
        observed = 2.0 * rng.poisson(signal_adu / 2.0, 200_000) + rng.normal(0.0, 3.0, 200_000)
        restored = float(noise.restore(np.array(noise.stabilise(observed).mean())))
        assert restored == pytest.approx(signal_adu, abs=0.02 * signal_adu + 0.1)


def test_bm3d_beats_the_noisy_image(field: ScoredField) -> None:
    observation_yx = field.observation_yx.astype(np.float64)
    raw_db = affine_invariant_psnr(observation_yx, field.reference_yx)
    filtered = bm3d_results(observation_yx, field.reference_yx, strengths=(1.0,))
    assert best_result(filtered, field.reference_yx).psnr_db > raw_db + 3


@pytest.mark.slow
def test_the_quality_table_holds_every_method_with_its_seconds(field: ScoredField) -> None:
    found = quality.denoised(field, TINY, several=True)
    score = quality.score(found, field.reference_yx, quality.filtered(field))
    assert set(score.methods) == {*quality.FILTERS, *quality.TRAINED}
    assert all(np.isfinite(found.psnr_db) for found in score.methods.values())
    assert all(score.methods[name].seconds > 0 for name in (quality.N2V, quality.DELIVERED))
    assert "2 images" in score.field
    delivered_and_bm3d = (score.methods[name].psnr_db for name in (quality.DELIVERED, quality.BM3D))
    assert score.averaged_db >= max(delivered_and_bm3d)
    rendered = quality.table([score], reference.AS_IT_IS)
    assert rendered.row_count == 1
    assert {*quality.FILTERS, *quality.TRAINED} <= {str(column.header) for column in rendered.columns}


def test_the_preset_that_trains_nothing_is_in_the_quality_table(field: ScoredField) -> None:
    found = quality.instant(field)
    score = quality.score(found, field.reference_yx, quality.filtered(field))
    assert score.methods[quality.DELIVERED].psnr_db > score.methods[quality.RAW].psnr_db + 3
    assert score.methods[quality.DELIVERED].seconds > 0
    assert quality.table([score], reference.AS_IT_IS).row_count == 1


def test_averaging_with_bm3d_gains_only_if_errors_differ(field: ScoredField) -> None:
    truth_yx = field.reference_yx.astype(np.float64)
    own_yx, other_yx = np.random.default_rng(0).normal(0, 0.1 * truth_yx.std(), (2, *truth_yx.shape))

    def averaged_gain_db(bm3d_error_yx: np.ndarray) -> float:
        found = quality.DenoisedField(
            "simulated", "tiny", {quality.DELIVERED: quality.Estimate(truth_yx + own_yx, 0)}, "mmse"
        )
        score = quality.score(found, truth_yx, {quality.BM3D: [Result(truth_yx + bm3d_error_yx, 0)]})
        return score.averaged_db - score.methods[quality.DELIVERED].psnr_db

    assert averaged_gain_db(other_yx) == pytest.approx(3.0, abs=0.3)
    assert averaged_gain_db(own_yx) == pytest.approx(0.0, abs=1e-6)


def test_a_reference_that_has_drifted_is_moved_back(field: ScoredField) -> None:
    away = replace(field, reference_yx=ndimage.shift(field.reference_yx, (0.8, -0.4), mode="nearest"))
    assert reference.drift_yx_px(away) == pytest.approx((-0.8, 0.4), abs=0.15)
    assert reference.drift_yx_px(field) == pytest.approx((0.0, 0.0), abs=0.15)
    bound = reference.measure(away, TINY)
    for as_it_is_db, moved_db, _ in (bound.blur_db, bound.bm3d_db):
        assert moved_db > as_it_is_db
    rendered = reference.table([bound])
    assert rendered.row_count == 1
    assert not any("nan" in str(cell) for column in rendered.columns for cell in column.cells)


def test_a_reference_that_has_bleached_unevenly_is_matched_in_broad_areas(field: ScoredField) -> None:
    fading_yx = np.linspace(0.5, 1.5, SIDE_PX)[:, None]
    references = reference.references(replace(field, reference_yx=fading_yx * field.reference_yx))
    truth_yx = field.reference_yx
    agreement_db = {kind: affine_invariant_psnr(each_yx, truth_yx) for kind, each_yx in references.items()}
    assert agreement_db[reference.MATCHED] > agreement_db[reference.MOVED] + 1


def test_camera_maps_help_if_they_are_true() -> None:
    shape_yx = (SIDE_PX, SIDE_PX)
    rng = np.random.default_rng(5)
    maps = camera_maps.CameraMaps(
        gain_yx=rng.uniform(1.5, 2.5, shape_yx),
        offset_yx=rng.normal(100.0, 20.0, shape_yx),
        variance_yx=np.where(rng.random(shape_yx) < 0.2, 2000.0, 10.0),
    )
    photons_yx = 60 * simulate_specimen(shape_yx, seed=1)
    read_adu = rng.normal(0.0, np.sqrt(maps.variance_yx))
    frame_yx = maps.gain_yx * rng.poisson(photons_yx) + maps.offset_yx + read_adu
    measured = camera_maps.measure(ScoredField("simulated", frame_yx, photons_yx), maps)
    frame_db, less_offsets_db, over_gains_db, weighed_db = measured
    assert less_offsets_db > frame_db + 0.5
    assert weighed_db > over_gains_db + 0.5
    assert camera_maps.table([("simulated", measured)]).row_count == 1


def test_a_unet_step_counts_its_convolutions() -> None:
    """Two 3x3 convolutions; the backward pass costs twice the forward pass, without the image's gradient."""
    shape = replace(TINY, depth=1, samples=1, pn2v_steps=1)
    pixels = TINY.patches_per_step * TINY.patch_px**2
    first, second = 2 * 9 * 1 * 4 * pixels, 2 * 9 * 4 * 4 * pixels
    convolutions = 2 * first + 3 * second
    counted = work.step_flop(shape, "n2v")
    head = 3 * 2 * 4 * pixels / TINY.mask_box_px**2
    assert convolutions <= counted <= convolutions + head + 1


@pytest.mark.parametrize("preset", [TINY, TINY_BLIND], ids=["unet", "blind-spot"])
def test_training_prediction_and_likelihoods_are_compared_with_their_peaks(
    preset: TrainingPreset,
) -> None:
    peaks = machine_limits.measure_peaks(matrix_side=64)
    reached = list(machine_limits.measure(preset, peaks, compiled=False))
    assert [each.unit for each in reached] == ["FLOP", "FLOP", "exp"]
    assert all(each.operations > 0 and each.seconds > 0 and each.fraction > 0 for each in reached)
    assert machine_limits.table(peaks, reached).row_count == len(reached)


@pytest.fixture(scope="module")
def dataset(field: ScoredField) -> Dataset:
    specimen_yx = Scmos.with_maps((SIDE_PX, SIDE_PX), seed=1).signal_adu(60 * field.reference_yx)
    place = Place((field.observation_yx, *field.others), specimen_yx)
    return Dataset("tiny", (place,), ((0, WHOLE),), ((0, WHOLE),))


@pytest.mark.slow
def test_time_to_quality_stops_when_it_is_reached_and_keeps_the_paper_run(
    dataset: Dataset, tmp_path: Path
) -> None:
    paper = replace(TINY, name="paper", scale="moments", n2v_steps=1, pn2v_steps=1, warm_start=False)
    better = replace(TINY, name="better", scale="moments", n2v_steps=40, n2v_learning_rate=1e-2)
    hopeless = replace(
        TINY,
        name="hopeless",
        n2v_learning_rate=1e-9,
        pn2v_learning_rate=1e-9,
        distillation_learning_rate=1e-9,
    )
    lines: list[str] = []
    compared = time_to_quality.compare(dataset, paper, [better, hopeless], folder=tmp_path, show=lines.append)
    reached, failed = compared.others
    assert reached.reached
    assert reached.psnr_db >= compared.paper.psnr_db - time_to_quality.SLACK_DB
    assert reached.distillation_steps < better.distillation_steps
    assert not failed.reached
    teachers = hopeless.of_teachers()
    assert (failed.n2v_steps, failed.pn2v_steps) == (teachers.n2v_steps, teachers.pn2v_steps)
    assert failed.distillation_steps == hopeless.distillation_steps

    again = time_to_quality.compare(dataset, paper, [], folder=tmp_path, show=lines.append)
    assert again.paper == compared.paper
    presets = {preset.name: preset for preset in (paper, better, hopeless)}
    assert time_to_quality.table([compared, again], presets).row_count == 4


@pytest.mark.slow
def test_the_paper_pn2v_can_be_measured_without_its_n2v(dataset: Dataset) -> None:
    paper = replace(TINY, name="paper", warm_start=False)
    better = replace(TINY, name="better", n2v_steps=40, n2v_learning_rate=1e-2)
    lines: list[str] = []
    compared = time_to_quality.compare_second_stage(
        dataset, paper, [TINY, better], pn2v_steps=2, show=lines.append
    )
    assert (compared.paper.n2v_steps, compared.paper.pn2v_steps) == (0, 2)
    assert any("better distilled step 4" in line for line in lines), "presets are trained to their ends"
    failed, reached = compared.others
    assert reached.reached
    assert reached.psnr_db >= compared.paper.psnr_db - time_to_quality.SLACK_DB
    assert reached.distillation_steps < better.distillation_steps
    assert (failed.reached, failed.distillation_steps) == (False, TINY.distillation_steps)
