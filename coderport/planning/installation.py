"""Which of Port's integrations dispatches the workflow of the backend github."""

from __future__ import annotations

from collections.abc import Iterable

from coderport.errors import SettingsError
from coderport.port.integrations import GITHUB, Integration, Integrations
from coderport.settings import NAMESPACE, Settings
from coderport.settings.corrections import correction

_INSTALL = (
    "Install it in Port under Data sources > + Data source > GitHub; docs/actions.md#ports-github-integration says how "
    "to host it yourself"
)


async def installation_of(settings: Settings, integrations: Integrations) -> Integration:
    """The integration that the settings name, or else of the only one for GitHub that the organization has.

    SettingsError, with the remedy, where there is none or several, or it could not carry out a run.
    """
    name = settings.actions.installation_id
    if name is None:
        return _only_one(await integrations.all(), settings)
    named = await integrations.one(name)
    if named is None:
        raise SettingsError(_unknown(name, await integrations.all(), settings))
    _check(named)
    return named


def note_of(installation: Integration) -> str | None:
    """What is worth knowing of the integration and stops nothing; None where it is all right."""
    if installation.hears_events is not False:
        return None
    return (
        f"Live events are off in Port's GitHub integration {installation.installation_id}: a run whose workflow breaks "
        "before it begins stays in progress. Switch them on in its settings in Port."
    )


def _only_one(there: Iterable[Integration], settings: Settings) -> Integration:
    found = _of_github(there)
    if not found:
        raise SettingsError(
            f"Port has no GitHub integration, which the backend github of {NAMESPACE}:actions needs. {_INSTALL}. "
            "The backend webhook needs none. Nothing was written."
        )
    able = [each for each in found if each.carries_out_actions is not False] or found
    if len(able) > 1:
        raise SettingsError(
            f"Port has {len(able)} GitHub integrations, and {NAMESPACE}:actions does not say which one dispatches the "
            f"workflow. Nothing was written. Choose one:\n{_choices(able, settings)}"
        )
    _check(able[0])
    return able[0]


def _check(integration: Integration) -> None:
    """SettingsError where a run would never leave Port."""
    name = integration.installation_id
    if integration.kind is not None and integration.kind != GITHUB:
        raise SettingsError(
            f"The integration {name} that {NAMESPACE}:actions.installationId names is of the kind {integration.kind}. "
            f"Only one of the kind {GITHUB} dispatches GitHub workflows. {_INSTALL}. Nothing was written."
        )
    if integration.carries_out_actions is False:
        raise SettingsError(
            f"Port's GitHub integration {name} does not process actions, so a run would wait for ever. Where Port "
            "hosts it, switch actions processing on in its settings in Port; where you host it, set "
            "OCEAN__ACTIONS_PROCESSOR__ENABLED=true (in the Helm chart: actionsProcessor.enabled=true) and restart it. "
            "Nothing was written."
        )


def _unknown(name: str, there: Iterable[Integration], settings: Settings) -> str:
    found = _of_github(there)
    text = f"Port has no integration {name}, which {NAMESPACE}:actions.installationId names. Nothing was written. "
    return text + (
        f"Its GitHub integrations are:\n{_choices(found, settings)}"
        if found
        else f"It has none for GitHub. {_INSTALL}."
    )


def _of_github(there: Iterable[Integration]) -> list[Integration]:
    return sorted((each for each in there if each.kind == GITHUB), key=lambda each: each.installation_id)


def _choices(found: Iterable[Integration], settings: Settings) -> str:
    place = ("actions", "installationId")
    return "\n".join(f"  {correction(settings, place, each.installation_id)}" for each in found)
