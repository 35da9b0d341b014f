"""Numbers as JSON has them: 14.0 is an integer, and neither "14" nor true is a number."""

from pydantic import BeforeValidator

LARGEST_EXACT_INTEGER = 2**53 - 1
"""Beyond it, many readers of JSON round."""


def _must_be_number(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic makes its errors of ValueErrors
    return value


# The last annotation of a field: bounds that follow it would be missing in the schema.
JSON_NUMBER = BeforeValidator(_must_be_number)
