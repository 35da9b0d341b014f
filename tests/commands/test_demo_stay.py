"""`make demo STAY=1` ends as a whole by Ctrl-C, which reaches all processes of a terminal at once."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

# All but the denoising, which takes long: the demo's server, its worker, the page's address, and the end.
STAYING = """
from rich.console import Console
from types import SimpleNamespace
from demo import __main__ as demo

def denoise(client, image, console):
    client.upload(image)
    print("denoising", flush=True)
    WAIT
    return SimpleNamespace(id="job_1"), None, {}

demo.denoise = denoise
demo.report = lambda *_: None
demo.sys.argv = ["demo", "--stay"]
demo.main()
"""


@contextmanager
def demo(folder: Path, wait: str = "pass") -> Iterator[subprocess.Popen[bytes]]:
    """Run the demo in a group of its own, with its temporary files in a folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", STAYING.replace("WAIT", wait)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "TMPDIR": str(folder),
            "OMP_NUM_THREADS": "1",
        },
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def read_until(process: subprocess.Popen[bytes], awaited: str) -> str:
    assert process.stdout is not None
    said, deadline_s = b"", time.monotonic() + 120
    while awaited.encode() not in said:
        ready, _, _ = select.select([process.stdout], [], [], 1)
        said += (read := os.read(process.stdout.fileno(), 4096) if ready else b"")
        assert read or process.poll() is None, said
        assert time.monotonic() < deadline_s, said
    return said.decode()


@pytest.mark.parametrize(
    ("wait", "awaited", "code"),
    [
        ("pass", "stop the server with Ctrl-C", 0),
        pytest.param("import time; time.sleep(99)", "denoising", 130, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_ends_all_of_the_demo(tmp_path: Path, wait: str, awaited: str, code: int) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    with demo(folder, wait) as process:
        said = read_until(process, awaited)
        started = psutil.Process(process.pid).children(recursive=True)
        assert any("serve" in each.cmdline() for each in started)
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=90)
        said += rest.decode()
        assert process.returncode == code, said
        assert "Traceback" not in said
        _, alive = psutil.wait_procs(started, timeout=30)
        assert alive == []
    assert not list(folder.glob("clearscope-*")), "nothing is left in the temporary folder"
