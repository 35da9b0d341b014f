"""The documentation builds as a strict site that needs no other host."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs_site.build import REPOSITORY, BrokenPagesError, build, run_sphinx
from docs_site.navigation import START

# MyST-Parser 5.2 uses a name that Sphinx 11 will not have.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:'myst_parser:PendingDeprecationWarning"),
]

PICTURE = re.compile(r"method/(\S+?\.png)")
RESOURCES = {"img": "src", "script": "src", "link": "href", "source": "srcset", "iframe": "src"}
"""Attributes whose addresses a browser fetches, by element."""


def draw_nothing(folder: Path) -> None:
    """Leave pictures of one pixel, of all that the pages show."""
    folder.mkdir(parents=True)
    for page in (START, "docs/method.md"):
        for name in PICTURE.findall((REPOSITORY / page).read_text("utf-8")):
            Image.new("L", (1, 1)).save(folder / name)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("docs") / "site"
    build(site, draw_nothing)
    return site


def grey_values(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), dtype=np.float64)


class Resources(HTMLParser):
    """Collects the addresses that a browser fetches when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if RESOURCES.get(tag) == name]


def fetched(site: Path) -> Iterator[tuple[Path, str]]:
    for page in site.rglob("*.html"):
        parser = Resources()
        parser.feed(page.read_text("utf-8"))
        yield from ((page, address) for address in parser.addresses)
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"(?:url\(|@import\s+)[\"']?([^\"')]+)", sheet.read_text("utf-8")):
            yield sheet, address


def test_pages_fetch_nothing_from_other_hosts(site: Path) -> None:
    addresses = list(fetched(site))
    assert len(addresses) > 100
    for page, address in addresses:
        assert not re.match(r"(?:[a-z]+:)?//", address) or address.startswith("data:"), (page, address)
        path = re.split(r"[?#]", address)[0]
        assert not path or address.startswith("data:") or (page.parent / path).exists(), (page, address)


def test_the_site_has_paths_method_references_and_decisions(site: Path) -> None:
    start = (site / "index.html").read_text("utf-8")
    for page in ("biologist", "facility", "acquisition", "operator"):
        assert f'href="docs/paths/{page}.html"' in start
    for page in ("docs/method", "README", "api/index", "commands", "settings", "decisions", "docs/results"):
        assert f'href="{page}.html"' in start
    decisions = (site / "decisions.html").read_text("utf-8")
    for path in (REPOSITORY / "docs" / "adr").glob("*.md"):
        assert f'href="docs/adr/{path.stem}.html"' in decisions
    assert (site / "searchindex.js").is_file()


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("[gone](nowhere.md)", "nowhere.md"),
        ("[gone](doors.md#nothing)", "nothing"),
        ("![gone](portal/nothing.png)", "nothing.png"),
        ("[gone](../examples/nothing.py)", "nothing.py"),
    ],
)
def test_what_leads_nowhere_fails_the_build(broken: str, told: str, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    (pages / "docs").mkdir(parents=True)
    shutil.copy(REPOSITORY / "docs" / "doors.md", pages / "docs" / "other.md")
    (pages / "docs" / "doors.md").write_text("# Doors\n")
    (pages / "docs" / "other.md").write_text(f"# Other\n\n{broken}\n")
    (pages / "index.md").write_text("# Start\n\n```{toctree}\ndocs/doors\ndocs/other\n```\n")
    with pytest.raises(BrokenPagesError, match=told):
        run_sphinx(pages, tmp_path / "site")


def test_a_page_that_nothing_leads_to_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    for name in ("index", "alone"):
        (tmp_path / "pages" / f"{name}.md").write_text(f"# {name}\n")
    with pytest.raises(BrokenPagesError, match="alone"):
        run_sphinx(tmp_path / "pages", tmp_path / "site")


def test_the_command_draws_the_pictures_and_draws_them_alike(tmp_path: Path) -> None:
    drawn = []
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        command = [sys.executable, "-m", "docs_site", "--output", str(folder)]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(folder / "index.html")
        drawn.append({path.name: grey_values(path) for path in (folder / "_images").glob("*.png")})
    first, second = drawn
    assert {"before-and-after.png", "posterior.png", "residuals.png"} <= first.keys() == second.keys()
    for name, values in first.items():
        # Processors may round a training differently each time.
        assert np.abs(values - second[name]).mean() < 2, name
