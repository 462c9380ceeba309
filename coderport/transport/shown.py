"""What a message may show of a server's answer: any text of it is on one line, not endless, and without our secrets.

Whatever a server chose goes through here before it is part of a message: the texts of its JSON, the headers of its
answer, and the errors of HTTP, which quote what came over the line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import httpx

LONGEST_SHOWN = 400
LONGEST_HEADER = 80
"""A trace id has about 40 characters, and the longest registered media types have about as many as this."""


def shortened(text: str, most: int = LONGEST_SHOWN) -> str:
    """The text, and never more than so many characters of it."""
    return text if len(text) <= most else f"{text[:most]}…"


def cleaned(text: str, secrets: Iterable[str | None], most: int = LONGEST_SHOWN) -> str:
    """A server's words as a person may see them: on one line, without our secrets, and not endless."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[secret]")
    return shortened(" ".join("".join(letter if letter.isprintable() else " " for letter in text).split()), most)


@dataclass(frozen=True)
class Shown:
    """What may be shown of the answers of one server, which knows these secrets of ours."""

    secrets: tuple[str | None, ...] = field(repr=False)

    def text(self, given: Any) -> str:
        """A text of its JSON, or of an error that quotes it; empty for what says nothing."""
        return cleaned(str(given or ""), self.secrets)

    def header(self, response: httpx.Response, name: str) -> str:
        """What a header says; empty where there is none."""
        return cleaned(response.headers.get(name, ""), self.secrets, LONGEST_HEADER)

    def reason(self, response: httpx.Response) -> str:
        """The words beside the status; mostly those of HTTP itself."""
        return cleaned(response.reason_phrase, self.secrets, LONGEST_HEADER)

    def kind_of_body(self, response: httpx.Response) -> str:
        """What an answer that should be JSON is instead, in a word."""
        kind = self.header(response, "content-type").split(";")[0].strip().lower()
        return "HTML" if kind == "text/html" else kind or "no content type"

    def target(self, response: httpx.Response) -> str:
        """The host to which an answer redirects: the rest of the address may hold a ticket."""
        location = cleaned(response.headers.get("location", ""), self.secrets, _LONGEST_ADDRESS)
        if not location:
            return "nowhere (no Location)"
        try:
            host = httpx.URL(location).host
        except httpx.InvalidURL:
            return "an invalid Location"
        return cleaned(host, self.secrets, LONGEST_HEADER) or "another path of the same host"


_LONGEST_ADDRESS = 8192
