"""The pages in a real browser: nothing is refused by the policy, nothing runs off the side, all works by keys."""

from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from support.browser import new_context
from support.service import ADMIN

pytestmark = pytest.mark.browser

WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
NARROW: Final[ViewportSize] = {"width": 360, "height": 740}
PATHS = (
    "/",
    "/experiments",
    "/experiments/coffee-addon",
    "/experiments/broken-split",
    "/experiments/second-day",
    "/experiments/ended",
    "/experiments/spring-bundle",
    "/experiments/coffee-addon/end",
    "/experiments/coffee-addon/ramp",
)


class Watched:
    """A signed-in page that remembers what the console said."""

    def __init__(self, context: BrowserContext, site: str) -> None:
        self.site = site
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self._note(said.type, said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(f"{site}/sign-in")
        self.page.fill("#key", ADMIN)
        self.page.click("button.primary")
        self.page.wait_for_url(f"{site}/")

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def open(self, path: str, language: str = "en") -> Page:
        """Go to a page."""
        self.page.goto(f"{self.site}{path}{'&' if '?' in path else '?'}lang={language}")
        return self.page


@pytest.fixture
def wide(browser: Browser, site: str) -> Iterator[Watched]:
    """A desk in daylight."""
    context = new_context(browser, viewport=WIDE, color_scheme="light")
    yield Watched(context, site)
    context.close()


@pytest.fixture
def phone(browser: Browser, site: str) -> Iterator[Watched]:
    """A phone at night."""
    context = new_context(browser, viewport=NARROW, color_scheme="dark", has_touch=True)
    yield Watched(context, site)
    context.close()


@pytest.mark.parametrize("language", ["en", "ko"])
def test_no_page_scrolls_sideways_or_complains(wide: Watched, phone: Watched, language: str) -> None:
    """Wide and narrow, light and dark, in both languages; a refused style or script would stand in the console."""
    for seen in (wide, phone):
        for path in PATHS:
            page = seen.open(path, language)
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            across = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert across <= 0, (path, language, page.viewport_size)
        assert seen.complaints == []


def test_pictures_come_alive_under_the_policy(wide: Watched) -> None:
    """The drawing library runs without eval and without inline style, in the box of the stored picture."""
    page = wide.open("/experiments/coffee-addon")
    page.locator("#primary figure").scroll_into_view_if_needed()
    live = page.locator("#primary .chart-live svg")
    live.wait_for(state="visible", timeout=60_000)
    box = live.bounding_box()
    assert box is not None
    assert (round(box["width"]), round(box["height"])) == (720, 232)
    assert wide.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_stored_pictures_stand_without_script(browser: Browser, site: str, scheme: str) -> None:
    """Without script the same facts and every action are there, and pictures follow the colours of the page."""
    context = new_context(
        browser, viewport=NARROW, color_scheme="dark" if scheme == "dark" else "light", java_script_enabled=False
    )
    seen = Watched(context, site)
    page = seen.open("/experiments/coffee-addon", "ko")
    picture = page.locator("#primary img")
    picture.scroll_into_view_if_needed()
    with page.expect_response(lambda answer: "pictures" in answer.url, timeout=60_000) as waiting:
        page.reload()
        picture.scroll_into_view_if_needed()
    assert f"theme={scheme}" in waiting.value.url
    assert "size=narrow" in waiting.value.url
    assert waiting.value.ok
    said = page.locator("main").inner_text()
    for fact in ("cross-sell 안을 적용하세요.", "₩412", "18,144", "가드레일 지표", "순이익"):
        assert fact in said
    assert page.locator("main a.button").all_inner_texts() == ["끝내기", "일시 중지하기", "비율 바꾸기"]
    assert seen.complaints == []
    context.close()


def test_the_decision_is_above_the_fold(wide: Watched, phone: Watched) -> None:
    """The whole headline can be read without scrolling, at the desk and on a phone."""
    for seen in (wide, phone):
        for language in ("en", "ko"):
            page = seen.open("/experiments/coffee-addon", language)
            box = page.locator("#verdict-line").bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < (page.viewport_size or WIDE)["height"]


def test_everything_is_reached_by_keyboard(wide: Watched) -> None:
    """Tab goes through the page in reading order and focus can be seen at every stop."""
    page = wide.open("/experiments/coffee-addon")
    stops: list[str] = []
    for _ in range(16):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert stops[0] == "Skip to the content"
    for name in ("Experiments", "한국어", "Sign out", "End", "Pause", "Change weights"):
        assert name in stops
    assert stops.index("End") < stops.index("Pause")


def test_targets_on_a_phone_are_large_and_text_is_not_small(phone: Watched) -> None:
    """Buttons and summaries are 44 pixels high; nothing is smaller than 14 pixels."""
    page = phone.open("/experiments/coffee-addon")
    low = page.evaluate(
        "[...document.querySelectorAll('main a.button, main button, summary')]"
        ".filter((each) => each.offsetParent && !each.classList.contains('copy'))"
        ".filter((each) => each.getBoundingClientRect().height < 43.5).map((each) => each.textContent)"
    )
    assert low == []
    small = page.evaluate(
        "[...document.querySelectorAll('main *')].filter((each) => each.offsetParent && each.children.length === 0"
        " && each.textContent.trim() && parseFloat(getComputedStyle(each).fontSize) < 13.9)"
        ".map((each) => each.textContent)"
    )
    assert [text for text in small if text not in ("Copy", "Copied")] == []


def test_long_text_stays_inside(wide: Watched, phone: Watched) -> None:
    """Text 40 % longer, as in other languages, breaks no page."""
    for seen in (wide, phone):
        page = seen.open("/experiments/coffee-addon")
        page.evaluate("document.documentElement.style.fontSize = '140%'")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
