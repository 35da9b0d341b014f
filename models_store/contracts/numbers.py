"""JSON numbers: 14.0 is an integer, and neither "14" nor true is a number."""

from pydantic import BeforeValidator

LARGEST_EXACT_INTEGER = 2**53 - 1
"""Larger integers are rounded by many JSON parsers."""


def _must_be_number(value: object) -> object:
    if isinstance(value, (bool, str)):
        raise ValueError("must be a number")  # noqa: TRY004  # pydantic collects ValueErrors
    return value


# Must be the last annotation of a field: the schema would lack bounds that follow it.
JSON_NUMBER = BeforeValidator(_must_be_number)
