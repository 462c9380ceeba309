"""Identity: a stack stays with its Coder and its Port; and verdicts that add up."""

from __future__ import annotations

import re

import pytest

from coderport.guard.verdict import Verdict, combined, identity_verdict


def test_a_stack_stays_with_its_coder_and_its_port() -> None:
    assert not identity_verdict("a", "p", deployment_before=None, port_organization_before=None).refused
    assert not identity_verdict("a", "p", deployment_before="a", port_organization_before="p").refused


@pytest.mark.parametrize(
    ("now", "what", "key"),
    [
        (("b", "p"), "another Coder deployment", "coderport:coderApiBaseUrl"),
        (("a", "q"), "another Port organization", "coderport:portClientId"),
    ],
)
def test_another_coder_or_port_is_refused_with_both_named(now: tuple[str, str], what: str, key: str) -> None:
    verdict = identity_verdict(*now, deployment_before="a", port_organization_before="p")
    assert verdict.refused
    assert len(verdict.reasons) == 1
    assert what in verdict.text() and key in verdict.text()
    assert re.search(r"until now  [ap]\n  this run   [bq]\n", verdict.text())


def test_both_at_once_are_both_named() -> None:
    assert len(identity_verdict("b", "q", deployment_before="a", port_organization_before="p").reasons) == 2


def test_verdicts_add_up() -> None:
    assert not combined(Verdict(), Verdict()).refused
    both = combined(Verdict(("one",)), Verdict(), Verdict(("two",)))
    assert both.text() == "one\n\ntwo"
