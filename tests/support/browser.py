"""Debian's Chromium, driven by Playwright, and what every page must meet."""

import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

SCREENSHOTS = Path(__file__).parents[2] / "docs" / "portal"
PATIENCE_MS = 30_000
NARROW_PX, WIDE_PX, WALL_PX = 360, 1280, 3840
MOST_EM_OF_A_LINE = 75
"""Length of a line of text up to which eyes find the next one, and some more."""
HARMLESS = (
    # Browsers report every answer of 400 and above; what pages make of them, tests look at.
    "Failed to load resource",
    # The viewer tells of tiles that come after another view was chosen.
    "loaded before reset",
)
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a browser; several people may use it, each with a `visit` of their own."""
    path = shutil.which("chromium")
    assert path is not None, "chromium is missing: make services installs it"
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, url: str, *, width_px: int = WIDE_PX, dark: bool = False) -> Iterator[Page]:
    """Yield a page of a browser without cookies; at the end, check that the browser reported no error.

    Among the errors that browsers report are violations of the content security policy.
    """
    context = browser.new_context(
        base_url=url,
        viewport={"width": width_px, "height": 800},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    page, errors = context.new_page(), list[str]()

    def note(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(each in message.text for each in HARMLESS):
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == [], errors


def sign_in(page: Page, key: str) -> None:
    """Sign in as a person does."""
    page.goto("/sign-in")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


def require_accessible(page: Page) -> None:
    """Check that axe finds nothing serious on a page, in both colour schemes, and that it fits its window."""
    before = page.viewport_size
    require_readable_on_a_wall(page)
    for width_px in (NARROW_PX, WIDE_PX):
        page.set_viewport_size({"width": width_px, "height": 800})
        require_no_overflow(page)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            serious = [
                (each["id"], scheme, width_px, [node["html"][:200] for node in each["nodes"]])
                for each in found
                if each["impact"] in {"serious", "critical"}
            ]
            assert serious == [], (page.url, serious)
    page.emulate_media(color_scheme="light")
    if before is not None:
        page.set_viewport_size(before)


def require_no_overflow(page: Page) -> None:
    """Check that a page fits the width of its window."""
    overflow_px = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert overflow_px <= 0, f"{page.url} is {overflow_px} px wider than a window of {page.viewport_size} px"


def require_readable_on_a_wall(page: Page) -> None:
    """Check that a page fits a window of 3840 pixels, and that no line of text runs across all of it."""
    page.set_viewport_size({"width": WALL_PX, "height": 2160})
    require_no_overflow(page)
    long = page.evaluate(
        """(most) => {
            const range = document.createRange();
            const nodes = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
            const long = [];
            while (nodes.nextNode()) {
                range.selectNodeContents(nodes.currentNode);
                const em = parseFloat(getComputedStyle(nodes.currentNode.parentElement).fontSize);
                const widths = [...range.getClientRects()].map((line) => line.width / em);
                const text = nodes.currentNode.textContent.trim();
                if (Math.max(0, ...widths) > most) long.push(text.slice(0, 80));
            }
            return long;
        }""",
        MOST_EM_OF_A_LINE,
    )
    assert long == [], (page.url, long)


def screenshot(page: Page, name: str) -> None:
    """Leave a picture of a page for the documentation."""
    _store(page.screenshot(animations="disabled", full_page=True), name)


def screenshot_of(part: Locator, name: str) -> None:
    """Leave a picture of a part of a page for the documentation."""
    _store(part.screenshot(animations="disabled"), name)


def _store(png: bytes, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    picture = Image.open(io.BytesIO(png))
    # 128 colours are enough for pages, and a third of the size.
    picture.convert("RGB").quantize(128).save(SCREENSHOTS / f"{name}.png", optimize=True)


def drop_files(page: Page, paths: Sequence[Path], selector: str) -> None:
    """Drop files and folders on an element, as from a file manager."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + 20, "y": box["y"] + 10}
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    session.detach()
