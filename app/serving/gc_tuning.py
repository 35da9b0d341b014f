"""How often Python looks for garbage."""

import gc

# Requests make and drop thousands of objects, none of them in cycles for long.
OBJECTS_BETWEEN_COLLECTIONS = 50_000


def freeze_startup_objects() -> None:
    """Leave what is loaded by now out of all collections, and collect seldom: both hold requests up."""
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, 20, 50)
