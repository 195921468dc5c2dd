"""A browser without script: cookies, forms, pages."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import httpx

from offerlab.dashboard.frame import SESSION_COOKIE
from support.service import ADMIN, Service


class Visitor:
    """Somebody who looks at the pages of a service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cookie: str | None = None

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        return self.service.call("GET", path, key=None, headers=self._headers(headers))

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> httpx.Response:
        """Send a form."""
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        response = self.service.call(
            "POST", path, content=urlencode(fields).encode(), key=None, headers=self._headers(sent)
        )
        found = re.search(f"{SESSION_COOKIE}=([^;]+)", response.headers.get("set-cookie", ""))
        if found:
            self.cookie = found[1]
        return response

    def sign_in(self, key: str = ADMIN) -> httpx.Response:
        """Come in with a key."""
        return self.post("/sign-in", {"key": key})

    def form(self, path: str) -> dict[str, str]:
        """The hidden fields of the form on a page that posts to itself."""
        page = self.get(path).text
        form = page[page.index(f'action="{path}"') :]
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {**named, **({"Cookie": f"{SESSION_COOKIE}={self.cookie}"} if self.cookie else {})}


class Text(HTMLParser):
    """What a page says, its markup taken away; and the markup that a strict policy forbids."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.tags: list[str] = []
        self.forbidden: list[str] = []
        self._silent = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note inline style and script."""
        self.tags.append(tag)
        names = {name for name, _ in attrs}
        if "style" in names or any(name.startswith("on") for name in names) or tag == "style":
            self.forbidden.append(self.get_starttag_text() or tag)
        if tag == "script" and "src" not in names:
            self.forbidden.append(tag)

    def handle_data(self, data: str) -> None:
        """Collect text."""
        if data.strip():
            self.said.append(data.strip())

    @property
    def text(self) -> str:
        """All of it, one space between parts."""
        return re.sub(r"\s+", " ", " ".join(self.said)).replace("\N{WORD JOINER}", "")
