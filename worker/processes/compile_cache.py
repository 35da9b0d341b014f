"""Where compiled programs are kept: compiling takes longer than a small job."""

import os

from platformdirs import user_cache_path


def keep_compiled_programs() -> None:
    """Let torch keep what it compiles in the user's cache, unless the environment names another folder.

    Its default lies among the temporary files, which go with each job.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(user_cache_path("clearscope") / "compiled"))
