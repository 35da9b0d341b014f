"""Looks at an uploaded file in a process of its own, which may crash, hang or run out of memory for us."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import models_store
from models_store import errors
from models_store.errors import ImageCorruptError
from models_store.image_files.header import DEFAULT_LIMITS, ImageHeader, ImageLimits

_REFUSALS = {
    refusal.code: refusal
    for refusal in (
        ImageCorruptError,
        errors.ImageUnsupportedError,
        errors.ImageContentError,
        errors.ImageTooLargeError,
        errors.StorageFullError,
    )
}


def inspect_in_child(
    path: Path,
    *,
    timeout_s: float = 4.0,
    memory_bytes: int = 2**32,
    limits: ImageLimits = DEFAULT_LIMITS,
    preview_to: Path | None = None,
) -> ImageHeader:
    """Read the header of an uploaded file, check some of its pixels and draw its preview, in a child process.

    The child gets `timeout_s` from the moment it is ready, and (on Linux) `memory_bytes` more than Python
    itself takes. Threads may call this at the same time. Raises as `inspect_image`, ImageContentError for
    pixels without information, ImageCorruptError when the child dies or does not finish, and
    StorageFullError when there is no room for the preview.
    """
    request = {
        "path": str(path.absolute()),
        "memory_bytes": memory_bytes,
        "limits": asdict(limits),
        "preview_to": str(preview_to) if preview_to else None,
    }
    command = [sys.executable, "-m", "models_store.image_files.isolation_child"]
    with subprocess.Popen(  # noqa: S603  # because the command is fixed
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        text=True,
    ) as child:
        if child.stdout is None or child.stdout.readline() != "ready\n":
            child.kill()
            raise RuntimeError("The process that inspects image files does not start.")
        try:
            answer, _ = child.communicate(json.dumps(request), timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            child.kill()
            raise ImageCorruptError(f"The file could not be read within {timeout_s:g} seconds.") from error
    if child.returncode != 0:
        raise ImageCorruptError("The file makes its reader fail; it is broken.")
    return _header_or_refusal(json.loads(answer))


def _header_or_refusal(answer: dict[str, str]) -> ImageHeader:
    if "header" in answer:
        return ImageHeader.model_validate_json(answer["header"])
    raise _REFUSALS[answer["code"]](answer["detail"])


def _environment() -> dict[str, str]:
    """Let the child find this package, also from a source tree; one thread, as each takes address space."""
    root = str(Path(models_store.__file__).parents[1])
    search = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": search, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
