"""The build: pages, references and pictures in one folder, then Sphinx, whose warnings fail it."""

import json
import shutil
import tempfile
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from docs_site.api_document import openapi_document
from docs_site.api_reference import api_pages
from docs_site.command_reference import commands_page
from docs_site.navigation import PAGES, START, contents, index_of
from docs_site.pictures import draw_pictures
from docs_site.readme_parts import formats_page, presets_page
from docs_site.settings_reference import settings_page
from docs_site.sources import copy_pages

REPOSITORY = Path(__file__).parents[1]
STATIC = Path(__file__).with_name("static")
ICON = REPOSITORY / "app" / "portal" / "assets" / "icon.svg"
METHOD = Path("docs", "method")
"""Folder of the method's pictures."""

CONFIGURATION = {
    "project": "ClearScope",
    "html_title": "ClearScope",
    "extensions": ["myst_parser"],
    # The anchors of headings, as on GitHub.
    "myst_heading_anchors": 4,
    "nitpicky": True,
    # `--option` stays as it is typed.
    "smartquotes": False,
    "html_theme": "furo",
    "html_static_path": [str(STATIC)],
    "html_css_files": ["site.css"],
    "html_favicon": str(ICON),
    "html_copy_source": False,
    "html_show_copyright": False,
    "pygments_style": "a11y-light",
}


class BrokenPagesError(Exception):
    """The site has broken links, anchors or pages; the text lists them."""


def build(site: Path, draw: Callable[[Path], None] = draw_pictures) -> None:
    """Build the site in a folder, which is replaced; `draw` draws the method's pictures into a folder.

    Raises BrokenPagesError.
    """
    with tempfile.TemporaryDirectory(prefix="clearscope-docs-") as folder:
        pages, built = Path(folder) / "pages", Path(folder) / "site"
        write_pages(REPOSITORY, pages)
        draw(pages / METHOD)
        run_sphinx(pages, built)
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(built, site)


def write_pages(repository: Path, pages: Path) -> None:
    """Write all pages: those of the repository in their folders, and those that are made."""
    copy_pages(repository, pages)
    (pages / START).unlink()
    start = (repository / START).read_text("utf-8")
    # The first page moves up from docs/.
    _write(
        pages / "index.md",
        start.replace("](", "](docs/").replace("](docs/../", "](") + "\n" + index_of(PAGES),
    )
    decisions = sorted(f"docs/adr/{path.stem}" for path in (repository / "docs" / "adr").glob("*.md"))
    _write(pages / "decisions.md", "# Decisions\n\n" + contents(tuple(decisions), shown=True))
    readme = (repository / "README.md").read_text("utf-8")
    _write(pages / "presets.md", presets_page(readme))
    _write(pages / "formats.md", formats_page(readme))
    _write(pages / "commands.md", commands_page())
    _write(pages / "settings.md", settings_page((repository / ".env.example").read_text("utf-8")))
    shutil.copyfile(repository / ".env.example", pages / ".env.example")
    document = openapi_document()
    for name, text in api_pages(document).items():
        _write(pages / "api" / f"{name}.md", text)
    _write(pages / "api" / "openapi.json", json.dumps(document, indent=1))


def run_sphinx(pages: Path, built: Path) -> None:
    """Build HTML of pages; raise BrokenPagesError with all warnings, if there are any."""
    warnings = StringIO()
    with patch_docutils(), docutils_namespace():
        app = Sphinx(
            pages,
            confdir=None,
            outdir=built,
            doctreedir=pages.with_name("doctrees"),
            buildername="html",
            confoverrides=CONFIGURATION,
            status=None,
            warning=warnings,
        )
        app.build()
    if found := warnings.getvalue().replace(str(pages), ""):
        raise BrokenPagesError(found)
    for leftover in (built / ".buildinfo", built / "objects.inv"):
        leftover.unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
