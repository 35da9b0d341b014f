"""The settings, of the file that explains them, as a page."""

import re
from collections.abc import Iterator

INTRODUCTION = """# Settings

Environment variables, with their defaults. [.env.example](.env.example) is a file with all of them.
"""
SECTION = re.compile(r"^## (.*?) #+$")
SETTING = re.compile(r"^#?([A-Z][A-Z0-9_]+)=(.*)$")


def settings_page(environment: str) -> str:
    """Return the page of the settings in an environment file: comments, each above what it explains."""
    return "\n".join([INTRODUCTION, *_parts(environment)])


def _parts(environment: str) -> Iterator[str]:
    comment: list[str] = []
    for line in environment.splitlines():
        if heading := SECTION.match(line):
            comment.clear()
            yield f"\n## {heading[1]}\n"
        elif line.startswith("# "):
            comment.append(line.removeprefix("# "))
        else:
            if comment:
                yield f"\n{' '.join(comment)}\n"
                comment.clear()
            if setting := SETTING.match(line):
                name, default = setting.groups()
                yield f"- `{name}`: " + (f"`{default}`" if default else "empty")
