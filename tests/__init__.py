import pytest

# So that what these find wrong is shown with its values.
pytest.register_assert_rewrite("tests.support.job_rules")
