"""One sweep: every operation, every caller, and what was wrong with the answers."""

# The library leaves some of its types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping

import msgspec
from httpx import AsyncClient, InvalidURL, Response
from schemathesis.checks import not_a_server_error
from schemathesis.errors import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.fuzz.callers import Caller, Role
from tests.fuzz.drawing import Drawn, Operation, draw, operations_of
from tests.gateways import GatewayWorld, expect
from tests.scale import seed

#: Cases of the whole document, over all callers; split by how many operations each sweep has.
CASES = 20_000
#: A minute where nothing else runs.
TIMEOUT_S = 900
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: Calls that take nothing can't be sent against their description: the others make up for them.
_SPARE = 1.1
_STREAM = "text/event-stream"


class Sweep(msgspec.Struct, kw_only=True):
    """What was sent, what came back, and what was wrong with it."""

    cases: int = 0
    findings: dict[str, str] = {}
    #: Operations that let each caller in.
    welcomed: dict[Role, set[str]] = {}
    statuses: Counter[int] = msgspec.field(default_factory=Counter)


class Fuzzer:
    """Sends drawn cases as everybody in turn."""

    def __init__(
        self, made: GatewayWorld, client: AsyncClient, callers: Mapping[Role, Caller]
    ) -> None:
        self._made = made
        self._client = client
        self._callers = callers
        self._seed = seed()
        self._dice = random.Random(self._seed)
        self.sweep = Sweep(welcomed={role: set() for role in Role})

    async def run(self, *, are_safe: bool, cases: int) -> Sweep:
        """Send about ``cases`` requests of those operations that read, or of the others."""
        document = expect(await self._client.get("/openapi.json"), 200)
        operations = operations_of(document, are_safe=are_safe)
        amount = math.ceil(_SPARE * cases / (len(operations) * len(self._callers)))
        for number, operation in enumerate(operations):
            drawn = draw(operation, amount=amount, seed=self._seed + number)
            for caller in self._callers.values():
                await self._send_as(caller, operation, drawn)
        return self.sweep

    def told(self) -> str:
        """Say what was found, and how to find it again."""
        found = [f"{key}\n    {shown}" for key, shown in sorted(self.sweep.findings.items())]
        return "\n".join([f"STEPWELL_TEST_SEED={self._seed}", *found])

    async def _send_as(self, caller: Caller, operation: Operation, drawn: list[Drawn]) -> None:
        headers = await caller.headers(self._made)
        for case in drawn:
            if operation.method != "get":
                headers = await caller.headers(self._made)
            sent = self._as_named(case, caller)
            answer = await self._request(sent, headers)
            if answer is None:
                continue
            self.sweep.cases += 1
            self.sweep.statuses[answer.status_code] += 1
            if answer.is_success:
                self.sweep.welcomed[caller.role].add(operation.label)
            for why in faults(sent, answer):
                key = f"{operation.label} as {caller.role}: {why}"
                self.sweep.findings.setdefault(key, f"{_shown(sent)} -> {answer.text[:300]}")

    def _as_named(self, case: Drawn, caller: Caller) -> Drawn:
        # A stream of what exists lasts as long as that does: tests of the streams follow them.
        if not case.path_parameters or is_stream(case.operation):
            return case
        named = caller.name(case.path_parameters, self._dice)
        renamed: Drawn = case.operation.Case(
            method=case.method,
            path_parameters=named,
            headers=case.headers,
            cookies=case.cookies,
            query=case.query,
            body=case.body,
            media_type=case.media_type,
        )
        return renamed

    async def _request(self, case: Drawn, headers: Mapping[str, str]) -> Response | None:
        given = case.as_transport_kwargs(base_url=str(self._client.base_url))
        body = given.get("data")
        given_headers = {**given["headers"], **headers}
        try:
            request = self._client.build_request(
                given["method"],
                given["url"],
                params=given.get("params"),
                headers=[(name.encode(), _bytes(value)) for name, value in given_headers.items()],
                content=_bytes(body) if isinstance(body, str | bytes) else None,
                data=body if isinstance(body, dict) else None,
                json=given.get("json"),
            )
        except (InvalidURL, UnicodeEncodeError):
            return None  # what no client can write down
        return await self._client.send(request)


def is_stream(operation: Operation) -> bool:
    """Tell whether an operation answers with events."""
    described = operation.definition.raw["responses"].get("200", {}).get("content", {})
    return _STREAM in described


def faults(case: Drawn, answer: Response) -> list[str]:
    """Say what the answer has that the document doesn't."""
    try:
        case.validate_response(answer, checks=_CHECKS)
    except FailureGroup as group:
        return [f"{answer.status_code} {type(each).__name__}" for each in group.exceptions]
    return []


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")


def _shown(case: Drawn) -> str:
    return f"{case.method} {case.formatted_path} {case.query!r} {case.body!r}"[:300]
