"""Container images built and run by buildah, without a container engine: processes in a chroot."""

import ast
import configparser
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import psutil

ROOT = Path(__file__).parents[2]
BASE_IMAGE = "localhost/clearscope-test-base"
# The Debian whose Python has the version of the one that runs the tests, so that pip finds the same wheels:
# torch without CUDA, if the machine has one.
_DEBIAN = {(3, 11): "bookworm", (3, 13): "trixie"}.get(sys.version_info[:2], "trixie")
_DEBIAN_PACKAGES = "python3,python3-venv,python3-pip,python-is-python3,ca-certificates"
# The options of pip that say where packages come from.
_PIP_SOURCES = (
    *("index-url", "extra-index-url", "find-links", "no-index", "constraint", "trusted-host"),
    *("cert", "client-cert", "proxy", "timeout", "default-timeout", "retries"),
)
_BUILD_LIMIT_S = 1800
_STOP_LIMIT_S = 20


def cannot_build() -> str | None:
    """Return why this machine cannot build images; None if it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "only root can make a Debian base and enter it"
    missing = [program for program in ("buildah", "debootstrap") if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


class ImageStore:
    """Images and containers in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pip_options = _pip_options(folder / "pip.conf")
        # A storage of its own, as plain folders: this needs no kernel feature that a container may lack.
        self._buildah = [
            *("buildah", "--storage-driver", "vfs"),
            *("--root", str(folder / "storage"), "--runroot", str(folder / "run")),
        ]

    def make_base(self) -> None:
        """Make `BASE_IMAGE`, a Debian with its own Python."""
        container = self._run("from", "scratch").strip()
        root = self._run("mount", container).strip()
        include = f"--include={_DEBIAN_PACKAGES}"
        _check_run(["debootstrap", "--variant=minbase", include, _DEBIAN, root])
        _check_run(["chroot", root, "apt-get", "clean"])
        self._run("umount", container)
        self._run("commit", "--rm", container, BASE_IMAGE)

    def build(self, dockerfile: Path, name: str) -> None:
        """Build an image on `BASE_IMAGE`, with packages from where this machine's pip takes them."""
        self._run(
            *("build", "--isolation", "chroot", "--network", "host", "--format", "docker"),
            *("--build-arg", f"PYTHON_IMAGE={BASE_IMAGE}", "--pull-never", *self._pip_options),
            *("--file", str(dockerfile), "--tag", name, str(ROOT)),
        )

    def create(self, image: str) -> "Container":
        return Container(self._buildah, self._run("from", "--pull-never", image).strip())

    def remove(self) -> None:
        # Several times faster than rmtree alone.
        self._run("rm", "--all")
        self._run("rmi", "--all", "--force")
        shutil.rmtree(self._folder)

    def _run(self, *arguments: str) -> str:
        return _check_run([*self._buildah, *arguments])


class Container:
    """A container, whose files stay from one command to the next."""

    def __init__(self, buildah: list[str], name: str) -> None:
        self._buildah = buildah
        self._name = name
        described = json.loads(_check_run([*buildah, "inspect", "--type", "container", name]))
        configured = described["OCIv1"]["config"]
        self._entrypoint: list[str] = configured["Entrypoint"]
        self._command: list[str] = configured["Cmd"]

    def run(self, *arguments: str, folder: Path | None = None) -> str:
        """Run the program of the image, with a folder of this machine as /data; return its output."""
        # As for all tests: threads would compete with those of other processes for the cores.
        return _check_run(self._running(arguments, {"OMP_NUM_THREADS": "1"}, folder))

    @contextmanager
    def running(self, log: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
        """Run the image's program with its own arguments during the block."""
        command = self._running(self._command, environment, None)
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield process
        finally:
            _end(process)

    def _running(
        self, arguments: tuple[str, ...] | list[str], environment: dict[str, str], folder: Path | None
    ) -> list[str]:
        variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        volumes = [] if folder is None else ["--volume", f"{folder}:/data"]
        options = ["run", "--isolation", "chroot", "--network", "host", *variables, *volumes]
        return [*self._buildah, *options, self._name, "--", *self._entrypoint, *arguments]


def _pip_options(target: Path) -> list[str]:
    """Write this machine's settings of pip into a file; return options of buildah that make pip use it.

    Folders and files of this machine that the settings name are mounted at the same place.
    """
    found = _pip_settings()
    config = configparser.ConfigParser(interpolation=None)
    config["global"] = {name: found[name] for name in _PIP_SOURCES if name in found}
    with target.open("w", encoding="utf-8") as file:
        config.write(file)
    mounts = {target: Path("/etc/pip.conf")} | {path: path for path in _local_paths(config["global"])}
    return [part for source, place in mounts.items() for part in ("--volume", f"{source}:{place}:ro")]


def _pip_settings() -> dict[str, str]:
    """Return what pip is told by files and by the environment, which goes before them."""
    lines = _check_run([sys.executable, "-m", "pip", "config", "list"]).splitlines()
    settings: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        section_and_name, _, quoted = line.partition("=")
        section, _, name = section_and_name.rpartition(".")
        if section in {"global", "install", ":env:"}:
            settings[name] = str(ast.literal_eval(quoted))
    return settings


def _local_paths(settings: configparser.SectionProxy) -> Iterator[Path]:
    for name, value in settings.items():
        for word in value.split():
            path = Path(url2pathname(urlsplit(word).path)) if word.startswith("file:") else Path(word)
            if path.is_absolute() and path.exists():
                # The pages of an index in a folder refer to files beside it.
                yield path.parent if name.endswith("index-url") else path


def _check_run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_BUILD_LIMIT_S)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End buildah and the program in the container, which does not end with it."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in reversed(family):
        member.terminate()
    _, alive = psutil.wait_procs(family, _STOP_LIMIT_S)
    for member in alive:
        member.kill()
    process.wait()
