"""Copies the libraries of `vendored.toml` into `assets/vendor`: `python -m app.portal.vendoring` (needs npm).

Only developers run it; the copies are part of the source, so that servers contact nobody.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
VENDOR = HERE / "assets" / "vendor"
CHECKSUMS = VENDOR / "checksums"
"""SHA-256 of every copied file, as sha256sum writes them."""


@dataclass(frozen=True)
class Library:
    """A library of others: which files of which version, and the SHA-256 of the package they come from."""

    name: str
    package: str
    version: str
    licence: str
    sha256: str
    files: tuple[str, ...]

    @property
    def copies(self) -> tuple[Path, ...]:
        return tuple(VENDOR / self.name / Path(path).name for path in self.files)


def libraries() -> list[Library]:
    pinned = tomllib.loads((HERE / "vendored.toml").read_text(encoding="utf-8"))
    return [
        Library(
            name, **{key: value for key, value in pin.items() if key != "files"}, files=tuple(pin["files"])
        )
        for name, pin in pinned.items()
    ]


def digests() -> Iterator[str]:
    """Return the lines of `checksums` for the files that are there."""
    for path in sorted(each for each in VENDOR.rglob("*") if each.is_file() and each != CHECKSUMS):
        yield f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(VENDOR)}"


def main() -> None:
    shutil.rmtree(VENDOR, ignore_errors=True)
    for library in libraries():
        _copy(library)
    CHECKSUMS.write_text("".join(f"{line}\n" for line in digests()), encoding="utf-8")


def _copy(library: Library) -> None:
    """Copy a library's files. Raises SystemExit if its package is another than the pinned one."""
    with TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder]  # the registry's own client
        subprocess.run([*command, f"{library.package}@{library.version}"], check=True)  # noqa: S603  # pinned names
        package = next(Path(folder).iterdir())
        found = hashlib.sha256(package.read_bytes()).hexdigest()
        if found != library.sha256:
            raise SystemExit(
                f"{library.package} {library.version} has the SHA-256 {found}, not {library.sha256}"
            )
        with tarfile.open(package) as archive:
            for path, copy in zip(library.files, library.copies, strict=True):
                member = archive.extractfile(f"package/{path}")
                if member is None:
                    raise SystemExit(f"{library.package} {library.version} has no file {path}")
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(member.read())


if __name__ == "__main__":
    main()
