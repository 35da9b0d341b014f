"""Copies of the repository's pages, in the same folders, with the files that they link to."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"\]\(([^)\s#]+)")


def copy_pages(repository: Path, folder: Path) -> None:
    """Copy README, changelog and all pages below docs/, and the files of the repository that they link to.

    Links to what does not exist lead nowhere in the copy either, where the build finds them.
    """
    for page in pages_of(repository):
        _copy(page, repository, folder)
        for linked in linked_files(page, repository):
            _copy(linked, repository, folder)


def pages_of(repository: Path) -> list[Path]:
    return [
        *(repository / name for name in ("README.md", "CHANGELOG.md", "client/README.md")),
        *sorted((repository / "docs").rglob("*.md")),
    ]


def linked_files(page: Path, repository: Path) -> Iterator[Path]:
    """Yield the files of the repository to which a page links, without other pages."""
    for address in LINK.findall(page.read_text("utf-8")):
        linked = (page.parent / address).resolve()
        if linked.is_file() and linked.is_relative_to(repository) and linked.suffix != ".md":
            yield linked


def section(text: str, heading: str) -> str:
    """Return the section of a page below a heading of the second level, without it."""
    found = re.search(rf"^## {re.escape(heading)}$\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"there is no section {heading!r}")
    return found[1].strip()


def _copy(path: Path, repository: Path, folder: Path) -> None:
    copy = folder / path.relative_to(repository)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)
