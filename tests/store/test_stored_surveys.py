"""Surveys stored by earlier versions are made again."""

import numpy as np

from models_store.database.engines import Database
from models_store.repositories.images import get_image, record_surveys
from models_store.survey.survey import stored_survey, survey_planes
from tests.support.databases import image
from worker.attempt.registry import DatabaseRegistry

OLD = {
    "values": None,
    "along_y": {"product": 1.0, "energy": 2.0, "count": 3},
    "along_x": {"product": 1.0, "energy": 2.0, "count": 3},
}


def test_a_survey_of_another_version_is_none_and_is_replaced(database: Database) -> None:
    new = survey_planes([np.random.default_rng(0).normal(size=(32, 32))])
    with database.write() as session:
        session.add(image("img_old", survey=OLD))
    registry = DatabaseRegistry(database)
    assert [each.survey for each in registry.images(["img_old"])] == [None]
    with database.write() as session:
        record_surveys(session, {"img_old": new, "img_1": new})
    assert [each.survey for each in registry.images(["img_old", "img_1"])] == [new, new]


def test_a_survey_of_this_version_is_kept(database: Database) -> None:
    first, second = (survey_planes([np.random.default_rng(each).normal(size=(32, 32))]) for each in (1, 2))
    for survey in (first, second):
        with database.write() as session:
            record_surveys(session, {"img_1": survey})
    with database.read() as session:
        assert stored_survey(get_image(session, "img_1").survey) == first
