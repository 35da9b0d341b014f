"""Torn planes, and rows of another frame, are denoised, but nothing is learned from them."""

import numpy as np
from numpy.typing import NDArray

from models_store.image_files.stack_axis import StackAxis
from models_store.survey.survey import survey_planes
from models_store.survey.warnings import pixel_warnings
from tests.support.textures import observe, texture
from worker.planes.float_planes import FloatPlanes
from worker.planes.observed_stack import ObservedStack

CUT, SIDE_PX = 70, 128


def _frame(seed: int) -> NDArray[np.uint16]:
    return observe(texture(60, 3.0, 1, SIDE_PX), seed)


def _torn(seed: int) -> NDArray[np.uint16]:
    return np.vstack([_frame(seed)[:CUT], observe(texture(60, 3.0, 2, SIDE_PX), seed)[CUT:]])


def _planes(*frames: NDArray[np.uint16]) -> FloatPlanes:
    return FloatPlanes([ObservedStack(frames, StackAxis("T", len(frames), 1))])


def _left_out(planes: FloatPlanes) -> list[int]:
    return [index for index in range(len(planes)) if np.isnan(planes[index]).all()]


def test_nothing_is_learned_from_torn_planes_beside_others() -> None:
    frames = [_frame(0), _torn(1), _frame(2), _frame(3)]
    assert _left_out(_planes(*frames)) == [1]
    told = " ".join(pixel_warnings(survey_planes(frames)))
    assert "1 of 4 planes looked at is torn" in told
    assert "networks and noise models are made of the others" in told


def test_planes_that_all_jump_show_a_specimen_that_does() -> None:
    assert _left_out(_planes(_torn(1))) == []
    frames = [_torn(1), _torn(2), _torn(3), _frame(4)]
    assert _left_out(_planes(*frames)) == []
    assert "of the others" not in " ".join(pixel_warnings(survey_planes(frames)))


def test_rows_that_repeat_those_of_another_frame_count_once() -> None:
    half_new = np.vstack([_frame(1)[:CUT], _frame(0)[CUT:]])
    for order in ((0, 1), (1, 0)):
        planes = _planes(_frame(0), half_new)
        first_yx, second_yx = (np.isnan(planes[index]) for index in order)
        assert not first_yx.any()
        assert not second_yx[:CUT].any()
        assert second_yx[CUT:-1].all()
