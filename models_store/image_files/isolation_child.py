"""The child process of `sandbox`: says "ready", reads a request from stdin, prints the answer, and ends."""

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

from models_store.errors import ClearScopeError, ImageTooLargeError, StorageFullError
from models_store.full_disk import FULL_DETAIL, is_full
from models_store.image_files.content import check_content
from models_store.image_files.header import ImageLimits
from models_store.image_files.preview import preview_png
from models_store.image_files.tiff.reader import open_planes


def main() -> None:
    prepare()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    request = json.loads(sys.stdin.read())
    limit_memory(request["memory_bytes"])
    preview_to = Path(request["preview_to"]) if request["preview_to"] else None
    sys.stdout.write(json.dumps(answer(Path(request["path"]), ImageLimits(**request["limits"]), preview_to)))


def prepare() -> None:
    # A broken file is answered by a refusal; what the reader mutters about it on the way helps nobody.
    warnings.simplefilter("ignore")
    logging.disable()


def answer(path: Path, limits: ImageLimits, preview_to: Path | None) -> dict[str, Any]:
    try:
        with open_planes(path, limits) as planes:
            check_content(planes)
            if preview_to is not None:
                preview_to.write_bytes(preview_png(planes[len(planes) // 2]))
            header = planes.header
    except ClearScopeError as refusal:
        return {"code": refusal.code, "detail": refusal.detail}
    except OSError as error:
        if not is_full(error):
            raise
        return {"code": StorageFullError.code, "detail": FULL_DETAIL}
    except MemoryError:
        return {
            "code": ImageTooLargeError.code,
            "detail": "Reading a plane of this image takes more memory than is allowed; crop or tile it.",
        }
    return {"header": header.model_dump_json()}


def limit_memory(memory_bytes: int) -> None:
    """Allow so much address space more than is in use now."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415  # because other systems lack it

    in_use_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = in_use_pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
