"""What the site shows, in which order."""

from collections.abc import Mapping

START = "docs/start.md"
"""The first page; it becomes `index`."""

PAGES: Mapping[str, tuple[str, ...]] = {
    "Paths": (
        "Biologist <docs/paths/biologist>",
        "Facility staff <docs/paths/facility>",
        "Acquisition programmer <docs/paths/acquisition>",
        "Operator <docs/paths/operator>",
    ),
    "Method": (
        "How it works <docs/method>",
        "The network that is trained once <docs/pretrained>",
        "Reproduce the paper <docs/reproduction>",
    ),
    "Guides": (
        "Manual <README>",
        "docs/portal",
        "docs/doors",
        "Python client <client/README>",
        "docs/operations",
        "docs/security",
    ),
    "Reference": (
        "api/index",
        "commands",
        "presets",
        "formats",
        "settings",
        "CHANGELOG",
    ),
    "Results": ("docs/results", "docs/performance", "docs/reliability"),
    "Decisions": ("Decision records <decisions>",),
}
"""Pages by section; a page that stands in none of them, nor in `decisions`, fails the build."""


def index_of(pages: Mapping[str, tuple[str, ...]]) -> str:
    """Return the navigation as a part of the first page."""
    return "\n".join(contents(entries, caption=section) for section, entries in pages.items())


def contents(entries: tuple[str, ...], *, caption: str = "", shown: bool = False) -> str:
    """Return a table of contents, in the page if `shown`, else in the navigation alone."""
    options = [f":caption: {caption}"] if caption else []
    options += ["" if shown else ":hidden:", ":maxdepth: 1"]
    return "\n".join(["```{toctree}", *filter(None, options), "", *entries, "```", ""])
