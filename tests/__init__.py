import pytest

# Show values when an assertion in this module fails.
pytest.register_assert_rewrite("tests.support.job_rules")
