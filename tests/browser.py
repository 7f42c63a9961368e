"""Pages in headless Chromium: Debian's package, driven by Playwright. Without it tests skip."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["Visit", "browser", "visit"]


@dataclass
class Visit:
    """An open page, and what happened on it so far.

    Parameters
    ----------
    page : playwright.sync_api.Page
    errors : list of str
        Exceptions of scripts that nobody caught, and errors that the console shows.
    requests : list of str
        Addresses that were asked for, the page's own first.
    """

    page: "Page"
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )


@pytest.fixture(scope="module")  # Playwright's event loop runs as long: other modules may have one
def browser() -> Iterator["Browser"]:
    """Chromium, without a profile and without a sandbox, which needs rights that root lacks."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip(reason="Chromium is not installed; apt install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: "Browser") -> Iterator[Callable[..., Visit]]:
    """Opens an address in a window of ``width`` times ``height`` pixels, as
    ``visit(url, width=400)``; further keywords go to ``Browser.new_page``.
    """
    pages = []

    def open_at(url: str, *, width: int = 1200, height: int = 900, **settings: object) -> Visit:
        page = browser.new_page(viewport={"width": width, "height": height}, **settings)
        pages.append(page)
        seen = Visit(page)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on(
            "console",
            lambda line: seen.errors.append(line.text) if line.type == "error" else None,
        )
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(url)
        return seen

    yield open_at
    for page in pages:
        with suppress(Exception):  # the browser itself may have gone
            page.close()
