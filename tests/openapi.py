"""Requests and answers of an emulator, held to the OpenAPI document of the service that it stands for.

The documents are Port's (OpenAPI 3.1) and Coder's (Swagger 2.0). They are not part of a clone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft4Validator, Draft202012Validator
from jsonschema.protocols import Validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FACTS = Path(__file__).resolve().parents[1].parent / "shared" / "facts"

# Python's regular expressions have no \p{L}; this is "a letter" for the texts that are written here.
_LETTER = "A-Za-z\u00aa-\uffff"


@dataclass(frozen=True)
class Exchange:
    """One request and its answer; bodies are JSON, or None where there was none (or no JSON)."""

    method: str
    path: str
    asked: Any
    status: int
    answered: Any
    content_type: str


@dataclass
class Recorded:
    """An application that keeps what it was asked and what it answered."""

    app: ASGIApp
    exchanges: list[Exchange] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = unquote(scope["raw_path"].decode("latin-1").replace("%2F", "\x00").replace("%2f", "\x00"))
        asked, answered = bytearray(), bytearray()
        start: Message = {"status": 0, "headers": []}

        async def heard() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                answered.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, heard, told)
        kind = dict(start["headers"]).get(b"content-type", b"").decode()
        found = _json(answered) if "json" in kind else None
        self.exchanges.append(Exchange(scope["method"], path, _json(asked), start["status"], found, kind))


def _json(content: bytes | bytearray) -> Any:
    try:
        return json.loads(content) if content else None
    except ValueError:
        return None


class Document:
    """An OpenAPI document: which operation a request is, and what of an exchange does not fit it."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = raw
        self.base = raw.get("basePath", "").rstrip("/")
        self._swagger = "swagger" in raw
        self._routes = sorted(
            ((tuple(path.split("/")), path) for path in raw["paths"]), key=lambda route: route[1].count("{")
        )

    def template(self, path: str) -> str | None:
        """The path of the document that a request's path fits, those without parameters first."""
        segments = path.removeprefix(self.base).split("/")
        template: str
        for wanted, template in self._routes:
            if len(wanted) == len(segments) and all(
                want == got or (want.startswith("{") and got) for want, got in zip(wanted, segments, strict=True)
            ):
                return template
        return None

    def differences(self, exchange: Exchange) -> Iterator[str]:
        """What does not fit, each in a line that is the same for all exchanges of its kind.

        A request counts where the emulator took it: those that it refuses are meant to be wrong.
        """
        template: str | None = self.template(exchange.path)
        operation = None if template is None else self.raw["paths"][template].get(exchange.method.lower())
        if operation is None:
            yield f"{exchange.method} {_plain(exchange.path)}: not in the document ({exchange.status // 100}xx)"
            return
        where = f"{exchange.method} {template}"
        schema = self._request_schema(operation)
        if exchange.status < 300 and schema is not None and exchange.asked is not None:
            yield from (f"{where} request: {wrong}" for wrong in self._wrong(schema, exchange.asked))
        answer = operation["responses"].get(str(exchange.status)) or operation["responses"].get("default")
        if answer is None:
            yield f"{where} {exchange.status}: a status that the document lacks"
            return
        schema = self._answer_schema(answer)
        if schema is not None and "json" in exchange.content_type:
            yield from (f"{where} {exchange.status}: {wrong}" for wrong in self._wrong(schema, exchange.answered))

    def _request_schema(self, operation: Mapping[str, Any]) -> Any:
        if not self._swagger:
            return operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        bodies = [each["schema"] for each in operation.get("parameters", ()) if each["in"] == "body"]
        return bodies[0] if bodies else None

    def _answer_schema(self, answer: Mapping[str, Any]) -> Any:
        if self._swagger:
            return answer.get("schema")
        return answer.get("content", {}).get("application/json", {}).get("schema")

    def _wrong(self, schema: Any, value: Any) -> Iterator[str]:
        for error in self._validator(json.dumps(schema)).iter_errors(value):
            yield from _leaves(error)

    @lru_cache(maxsize=512)  # noqa: B019 (documents live as long as the tests)
    def _validator(self, schema: str) -> Validator:
        shared = {key: self.raw[key] for key in ("components", "definitions") if key in self.raw}
        whole = json.loads(json.dumps({**json.loads(schema), **shared}).replace("\\\\p{L}", _LETTER))
        return Draft4Validator(_closed(whole)) if self._swagger else Draft202012Validator(whole)


def _closed(schema: Any) -> Any:
    """The schema with no members but those that it names: Swagger that is made from Go names them all."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        closed.setdefault("additionalProperties", False)
    return closed


def _leaves(error: Any) -> Iterator[str]:
    """The error, or for a choice of schemas those of the choice that fits best."""
    where = "/".join("[]" if isinstance(step, int) else str(step) for step in error.absolute_path)
    if error.validator in ("anyOf", "oneOf"):
        kind = type(error.instance).__name__
        yield f"{where or '.'} {kind} fits none of the choices" if error.context else f"{where or '.'} fits several"
        return
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        yield f"{where or '.'} has {', '.join(sorted(set(error.instance) - set(known)))}"
        return
    if error.validator == "required":
        yield f"{where or '.'} lacks {', '.join(sorted(set(error.validator_value) - set(error.instance)))}"
        return
    value = "null" if error.instance is None else type(error.instance).__name__
    yield f"{where or '.'} is {value}, not {error.validator} {json.dumps(error.validator_value)[:60]}"


def _plain(path: str) -> str:
    """A path without the names that differ from run to run."""
    path = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "{id}", path)
    path = re.sub(r"coderport_probe_[0-9a-f]{8}_\w+", "{ours}", path)
    return re.sub(r"/(r|m)_\w{16}", r"/{\1}", path)


def document(name: str) -> Document:
    """The document of that file; skips the test, saying why, where it is not there."""
    file = FACTS / name
    if not file.exists():
        pytest.skip(f"the document {name} is not part of a clone: it is read from {FACTS}")
    return Document(json.loads(file.read_text()))
