"""A browser without a window: keeps cookies, fills in forms that pages show, follows nothing."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from http.cookies import SimpleCookie

from httpx import AsyncClient, Response

from tests.gateways import PASSWORD, Customer
from web.visitor import SESSION_COOKIE


class Shown(HTMLParser):
    """What a page shows, as far as tests ask: its text, its forms with their fields, its links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.forms: dict[str, dict[str, str]] = {}
        self.links: list[str] = []
        self._form: dict[str, str] | None = None
        self._select: str | None = None
        self._has_chosen = False
        self.feed(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form = self.forms.setdefault(given.get("action", ""), {})
        elif tag in {"input", "textarea", "select"} and self._form is not None:
            is_left_out = given.get("type") == "checkbox" and "checked" not in given
            if given.get("name") and not is_left_out:
                self._form[given["name"]] = given.get("value", "")
                self._select = given["name"] if tag == "select" else None
                self._has_chosen = False
        elif tag == "option" and self._form is not None and self._select is not None:
            # A browser takes the first one when none is selected.
            if "selected" in given or not self._has_chosen:
                self._form[self._select] = given.get("value", "")
                self._has_chosen = True
        elif tag == "a" and "href" in given:
            self.links.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)


class Surfer:
    """One person's browser."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self.cookies: dict[str, str] = {}
        self.forms: dict[str, dict[str, str]] = {}
        self.text = ""

    @property
    def token(self) -> str | None:
        return self.cookies.get(SESSION_COOKIE)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Open a page."""
        return self._seen(await self._client.get(path, headers=self._headers(headers)))

    async def submit(
        self,
        action: str,
        fields: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a form that the last page showed, with these fields filled in."""
        filled = {**self.forms[action], **(fields or {})}
        return await self.post(action, filled, headers)

    async def post(
        self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send any fields anywhere, as an attacker's page might."""
        sent = await self._client.post(path, data=dict(fields), headers=self._headers(headers))
        return self._seen(sent)

    async def log_in(self, customer: Customer) -> None:
        """Log in by the page."""
        await self.get("/login")
        answer = await self.submit("/login", {"email": customer.email, "password": PASSWORD})
        assert answer.status_code == 303, answer.text

    def _headers(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {
            "Accept": "text/html",
            **({"Cookie": cookies} if cookies else {}),
            **(headers or {}),
        }

    def _seen(self, answer: Response) -> Response:
        for told in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(told).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        if answer.headers.get("content-type", "").startswith("text/html"):
            shown = Shown(answer.text)
            self.forms, self.text = shown.forms, shown.text
        return answer
