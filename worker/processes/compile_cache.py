"""Persistent cache of compiled programs; compiling takes longer than a small job."""

import os

from platformdirs import user_cache_path


def keep_compiled_programs() -> None:
    """Put torch's compile cache into the user's cache folder, unless the environment names another.

    The default is a temporary folder, which is deleted after each job.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache_path("clearscope") / "compiled"))
