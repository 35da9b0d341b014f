"""The commands of a Markdown page as one script, in order, and what the page says that they print."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>.*?) -->\n)?```(?P<language>sh|python|text)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

SLOW = "slow"
IN_THE_BACKGROUND = "in the background"
AFTER_STOPPING = "after the server was stopped"
NOT_RUN = "not run: "


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, and the comment above it, which says how it is run."""

    language: str
    text: str
    note: str

    def in_shell(self) -> str:
        """Return the block as a part of a shell script."""
        if self.language == "python":
            return f"python - <<'END OF PROGRAM'\n{self.text}END OF PROGRAM\n"
        if self.note == IN_THE_BACKGROUND:
            return (
                f"{self.text.rstrip()} & server=$!\n"
                "trap 'kill $server 2>/dev/null || true' EXIT\n"
                "curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors "
                '"$CLEARSCOPE_SERVER/healthz"\n'
            )
        if self.note == AFTER_STOPPING:
            return f"kill $server; wait $server || true\n{self.text}"
        return self.text


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page below docs/ that have a language; a note that is not known is an error."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    blocks = [Block(each["language"], each["text"], each["note"] or "") for each in _BLOCK.finditer(text)]
    for block in blocks:
        known = block.note in {"", SLOW, IN_THE_BACKGROUND, AFTER_STOPPING}
        assert known or block.note.startswith(NOT_RUN), block.note
    return blocks


def script_of(page: str, *, note: str | None = None, places: Mapping[str, str] | None = None) -> str:
    """Return a shell script of a page's commands: all that are not slow, or those with a note.

    `places` replaces folders that a test cannot write to.
    """
    chosen = [
        block
        for block in blocks_of(page)
        if block.language != "text"
        and (block.note == note if note else block.note != SLOW and not block.note.startswith(NOT_RUN))
    ]
    assert chosen
    script = "\n".join(block.in_shell() for block in chosen)
    for place, instead in (places or {}).items():
        script = script.replace(place, instead)
    return script


def require_printed(page: str, printed: str) -> None:
    """Check that the lines of the page's `text` blocks were printed, in order; lines may go on."""
    position = 0
    for line in "".join(block.text for block in blocks_of(page) if block.language == "text").splitlines():
        found = printed.find(line, position)
        assert found >= 0, f"{line!r} is not in\n{printed[position:]}"
        position = found + len(line)
