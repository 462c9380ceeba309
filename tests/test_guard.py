"""Identity: a stack stays with its Coder and its Port; and verdicts that add up."""

from __future__ import annotations

import re

import pytest

from coderport.catalog import resource_types
from coderport.guard.foreign import state_verdict
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


def test_a_state_of_ours_holds_what_we_declare_and_the_engines_own() -> None:
    ours = [f"urn:pulumi:s::p::{kind}::x" for kind in sorted(resource_types.OURS)]
    assert not state_verdict(ours, "s").refused and not state_verdict((), "s").refused


def test_a_state_with_anything_else_is_refused_with_number_names_and_the_way_out() -> None:
    urns = [f"urn:pulumi:s::p::acme:infra:Net$acme:infra:Database::db:{number}" for number in range(1500)]
    above = "urn:pulumi:s::p::acme:infra:Net::net"
    provider = "urn:pulumi:s::p::pulumi:providers:acme::default"
    ours = f"urn:pulumi:s::p::{resource_types.ENTITY}::coder_workspace-1"
    text = state_verdict([provider, above, ours, *urns], "s").text()
    assert "The stack s holds 1,502 resources of types" in text and "acme:infra:Database db:0\n" in text
    assert "and 1,490 more" in text and "coder_workspace" not in text
    assert f"state delete '{urns[0]}' --yes --force --stack s" in text, "what is below goes first"
    assert f"state delete {above} " in state_verdict([provider, above], "s").text()
