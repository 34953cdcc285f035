"""Every operation that changes something; deletes come last, so that there is what they name."""

from __future__ import annotations

import pytest

from tests.fuzz.callers import Role
from tests.fuzz.fuzzing import CASES, TIMEOUT_S, Fuzzer
from tests.scale import scaled


@pytest.mark.timeout(TIMEOUT_S)
async def test_changing_answers_as_documented_whatever_is_asked(fuzzer: Fuzzer) -> None:
    sweep = await fuzzer.run(are_safe=False, cases=scaled(CASES // 2))
    assert not sweep.findings, fuzzer.told()
    assert sweep.cases >= CASES // 2
    # Cases that nobody would have let in anyway would have shown little.
    for role in (Role.MEMBER, Role.OWNER, Role.OPERATOR):
        assert sweep.welcomed[role], f"no change of the {role} was taken"
