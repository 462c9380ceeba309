"""The operations: what each one checks, then does in Coder, and what it says when it is done.

Everything is checked before anything is done. An operation that was resumed does not check the workspace's state
again: that is its own doing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from coderport.coder.builds import NewWorkspace, ThenStart, WatchedBuild
from coderport.coder.errors import (
    CoderBadRequest,
    CoderConflict,
    CoderError,
    CoderForbidden,
    CoderGone,
    CoderNotFound,
)
from coderport.coder.models import Template, Workspace
from coderport.coder.parameters import Preset, RichParameter
from coderport.runner import checks, parameters
from coderport.runner.authorization import Person, owner_of_new, require_use
from coderport.runner.building import Bench
from coderport.runner.following import reason
from coderport.runner.values import Failed, Operation, Refused, Step


@dataclass(frozen=True)
class Done:
    """A good end: a word for the label, a sentence for the summary."""

    label: str
    summary: str
    link: str | None = None


_CREATE_INPUTS = frozenset({"name", "ttl_hours", "autostart", "automatic_updates"})


async def create(bench: Bench, person: Person, *, of_sibling: bool = False) -> Done:
    """A new workspace that belongs to the person; `of_sibling` from a template that another stack's settings chose."""
    context, order = bench.context, bench.order
    owner = await bench.patiently(lambda: owner_of_new(person, bench.people, context.actions, context.port))
    name, template_id = checks.workspace_name(order), checks.picked_template(order)
    before = await bench.created_before(owner.id, name, template_id)
    if before is not None:
        return _is_running(bench, before)

    async def prepared() -> tuple[Template, NewWorkspace]:
        template = await template_of(bench, template_id)
        checks.require_offered(template)
        if not of_sibling:
            checks.require_served(template, context)
        await require_use(owner, template, bench.people)
        version = template.active_version_id
        asked = await parameters.read_parameters(context.coder, version)
        presets = await parameters.read_presets(context.coder, version) if order.form is not None else ()
        preset = parameters.own_preset(presets, order.form)
        checks.require_known(order, _CREATE_INPUTS | parameters.form_keys(order, asked, presets, preset))
        if presets and preset is None:
            preset = parameters.chosen_preset(presets, checks.preset_name(order))
        wanted = NewWorkspace(
            name=name,
            template_version_id=version,
            parameters=await _values_for_new(bench, template, asked, preset, owner.id),
            ttl_ms=checks.time_to_live(order, may_be_off=False),
            autostart_schedule=checks.autostart(order) or None,
            automatic_updates=checks.automatic_updates(order),
            preset_id=preset.id if preset is not None else None,
        )
        if bench.steps.resumed is None:
            taken = await bench.builds.workspace_by_name(owner.id, name)
            if taken is not None:
                raise Refused(f"{owner.username} already has a workspace {taken.name}: {bench.link(taken)}")
        return template, wanted

    template, wanted = await bench.patiently(prepared)
    await bench.report.tell(label="Creating")
    await bench.report.line(f"Creating workspace {owner.username}/{name} from the template {template.name}.")
    try:
        return _is_running(bench, await bench.create(owner.id, template.id, wanted))
    except CoderConflict as error:
        raise Refused(f"{owner.username} already has a workspace {name} ({reason(error)}).") from None
    except (CoderBadRequest, CoderForbidden, CoderNotFound) as error:
        raise Failed(f"Coder did not create the workspace: {reason(error)}") from None


async def start(bench: Bench, workspace: Workspace) -> Done:
    """Started, with other parameters where they are given; woken first if it is dormant."""
    checks.require_known(bench.order, {"parameters"})
    changed = await bench.patiently(lambda: _changed_parameters(bench, workspace))
    if bench.steps.resumed is None:
        if checks.is_starting(workspace) and not changed:
            return await _followed_start(bench, workspace)
        checks.require_free(workspace)
        if checks.is_running(workspace):
            if changed:
                raise Refused("The workspace is running, and its parameters change at a start only. Stop it first.")
            return Done("Running", "The workspace was running already.", bench.link(workspace))
        await _require_startable(bench, workspace)
        await _awake(bench, workspace)
    await bench.report.tell(label="Starting")
    await _built(bench, "start", workspace, "start", parameters=changed)
    return _is_running(bench, workspace)


async def stop(bench: Bench, workspace: Workspace) -> Done:
    """Stopped, whatever a build before left behind."""
    checks.require_known(bench.order, ())
    if bench.steps.resumed is None:
        checks.require_free(workspace)
        if checks.is_stopped(workspace):
            return Done("Stopped", "The workspace was stopped already.", bench.link(workspace))
    await bench.report.tell(label="Stopping")
    await _built(bench, "stop", workspace, "stop")
    return Done("Stopped", f"Workspace {workspace.name} is stopped.", bench.link(workspace))


async def restart(bench: Bench, workspace: Workspace) -> Done:
    """Stopped, then started with the same version, with the values that it has."""
    checks.require_known(bench.order, ())
    version = workspace.latest_build.template_version_id
    if bench.steps.resumed is None:
        checks.require_free(workspace)
        await _require_startable(bench, workspace)
        await _require_carried(bench, workspace, version, "Stop it and start it with other values for the parameters")
    await _stopped_then_started(
        bench, workspace, stops=not checks.is_stopped(workspace), checked=version, version_id=None
    )
    return Done("Running", f"Workspace {workspace.name} was restarted.", bench.link(workspace))


async def update(bench: Bench, workspace: Workspace) -> Done:
    """On the template's active version; a running workspace is stopped first, as Coder's own dashboard does."""
    checks.require_known(bench.order, ())
    left = bench.steps.resumed
    version = (left.checked if left is not None else None) or workspace.template_active_version_id
    if left is None:
        checks.require_free(workspace)
        if not workspace.outdated:
            return Done("Up to date", "The workspace has the template's active version already.", bench.link(workspace))
        await _require_carried(bench, workspace, version, "Update it in Coder, where you are asked for other values")
    stops = checks.is_running(workspace)
    await _stopped_then_started(bench, workspace, stops=stops, checked=version, version_id=version)
    return Done("Running", f"Workspace {workspace.name} was updated and is running.", bench.link(workspace))


async def extend(bench: Bench, workspace: Workspace) -> Done:
    """A later deadline: so many hours from now."""
    checks.require_known(bench.order, {"hours"})
    by = checks.longer_by(bench.order)
    checks.require_free(workspace)
    deadline = checks.new_deadline(workspace, by, bench.context.clock.now())
    await _set(bench, lambda: bench.builds.extend(workspace.id, deadline), "extended")
    text = f"Workspace {workspace.name} runs until {deadline:%Y-%m-%d %H:%M} UTC."
    return Done("Extended", text, bench.link(workspace))


async def schedule(bench: Bench, workspace: Workspace) -> Done:
    """Time to live and autostart, each where it is given; 0 and an empty schedule turn it off."""
    checks.require_known(bench.order, {"ttl_hours", "autostart"})
    ttl_ms = checks.time_to_live(bench.order, may_be_off=True)
    cron = checks.autostart(bench.order)
    if ttl_ms is None and cron is None:
        raise Refused("Neither a time to live nor an autostart schedule was given, so there is nothing to change.")
    did: list[str] = []
    if cron is not None:
        await _set(bench, lambda: bench.builds.put_autostart(workspace.id, cron or None), "given this schedule")
        did.append(f"starts by the schedule `{cron}`" if cron else "does not start by itself")
    if ttl_ms is not None:
        already = f" Already done: it {did[0]}." if did else ""
        await _set(
            bench, lambda: bench.builds.put_ttl(workspace.id, ttl_ms or None), "given this time to live", already
        )
        did.append(f"stops after {ttl_ms / 3_600_000:g} hours" if ttl_ms else "does not stop by itself")
    return Done("Scheduled", f"Workspace {workspace.name} {' and '.join(did)}.", bench.link(workspace))


async def wake(bench: Bench, workspace: Workspace) -> Done:
    """Not dormant any more; it is not started."""
    checks.require_known(bench.order, ())
    if workspace.dormant_at is None:
        return Done("Awake", "The workspace was awake already.", bench.link(workspace))
    await _awake(bench, workspace)
    return Done("Awake", f"Workspace {workspace.name} is awake. It can be started now.", bench.link(workspace))


async def dormant(bench: Bench, workspace: Workspace) -> Done:
    """Dormant, and stopped before, as Coder's own schedule does; Coder itself lets what runs run on."""
    checks.require_known(bench.order, {"confirmation"})
    if bench.steps.resumed is None:
        if workspace.dormant_at is not None:
            return Done("Dormant", "The workspace was dormant already.", bench.link(workspace))
        checks.require_free(workspace)
    if not checks.is_stopped(workspace):
        await bench.report.tell(label="Stopping")
        await _built(bench, "stop", workspace, "stop")
        await bench.report.require_open()
    await _set(bench, lambda: bench.builds.put_dormant(workspace.id, True), "made dormant")
    asleep = await bench.patiently(lambda: bench.context.coder.workspace(workspace.id))
    then = f" Coder deletes it on {asleep.deleting_at:%Y-%m-%d} unless it is woken." if asleep.deleting_at else ""
    return Done("Dormant", f"Workspace {workspace.name} is stopped and dormant.{then}", bench.link(workspace))


async def delete(bench: Bench, workspace: Workspace) -> Done:
    """Gone, with its resources. That its name was typed as the confirmation has been asked before."""
    checks.require_known(bench.order, {"confirmation"})
    if bench.steps.resumed is None:
        checks.require_free(workspace)
    await bench.report.tell(label="Deleting")
    await _built(bench, "delete", workspace, "delete")
    return Done("Deleted", f"Workspace {workspace.owner_name}/{workspace.name} was deleted.")


ON_WORKSPACE: Mapping[Operation, Callable[[Bench, Workspace], Awaitable[Done]]] = {
    Operation.START: start,
    Operation.STOP: stop,
    Operation.RESTART: restart,
    Operation.UPDATE: update,
    Operation.EXTEND: extend,
    Operation.SCHEDULE: schedule,
    Operation.WAKE: wake,
    Operation.DORMANT: dormant,
    Operation.DELETE: delete,
}
"""The operations on a workspace that exists; who may has been asked when they begin."""

CONFIRMED = frozenset({Operation.DORMANT, Operation.DELETE})
"""Those for which the name of the workspace is typed."""


def _is_running(bench: Bench, workspace: Workspace) -> Done:
    return Done("Running", f"Workspace {workspace.owner_name}/{workspace.name} is running.", bench.link(workspace))


async def template_of(bench: Bench, template_id: str) -> Template:
    """The template; Refused where Coder does not show it."""
    try:
        return await bench.context.coder.template(template_id)
    except (CoderNotFound, CoderForbidden):
        raise Refused("The template does not exist in Coder any more, or coderport's token may not see it.") from None


async def _changed_parameters(bench: Bench, workspace: Workspace) -> dict[str, str]:
    if bench.order.inputs.get("parameters") in (None, {}):
        return {}
    asked = await parameters.read_parameters(bench.context.coder, workspace.latest_build.template_version_id)
    previous = await bench.builds.build_parameters(workspace.latest_build.id)
    version, dynamic = workspace.latest_build.template_version_id, not workspace.template_use_classic_parameter_flow
    changed = parameters.for_start(bench.order, asked, previous, judged=not dynamic)
    if dynamic:
        values = {**parameters.carried(asked, previous), **changed}
        wrong = await parameters.evaluated_problems(bench.context.coder, version, values, workspace.owner_id)
        if wrong is None:
            return parameters.for_start(bench.order, asked, previous)
        parameters.refuse(wrong)
    return changed


async def _values_for_new(
    bench: Bench, template: Template, asked: Sequence[RichParameter], preset: Preset | None, owner_id: str
) -> dict[str, str]:
    """The values for a first build. With dynamic parameters Coder judges them, without the form that the import saw."""
    if not template.use_classic_parameter_flow:
        values = parameters.for_new(bench.order, asked, preset, judged=False)
        coder, version = bench.context.coder, template.active_version_id
        wrong = await parameters.evaluated_problems(coder, version, values, owner_id)
        if wrong is not None:
            parameters.refuse(wrong)
            return values
    return parameters.for_new(bench.order, asked, preset)


async def _require_startable(bench: Bench, workspace: Workspace) -> None:
    """Coder lets a template require its active version, of everybody but those who run it, as our token does."""
    if not workspace.outdated:
        return
    template = await bench.patiently(lambda: template_of(bench, workspace.template_id))
    if template.require_active_version:
        raise Refused(
            f"The template {template.name} requires its active version, and this workspace has an older one. "
            "Update the workspace instead."
        )


async def _require_carried(bench: Bench, workspace: Workspace, version_id: str, remedy: str) -> None:
    """Refused unless the version takes the values of the workspace, as Coder would only say once it is stopped."""

    async def required() -> None:
        asked = await parameters.read_parameters(bench.context.coder, version_id)
        previous = await bench.builds.build_parameters(workspace.latest_build.id)
        wrong = None
        classic = workspace.template_use_classic_parameter_flow
        if not classic:
            values = parameters.carried(asked, previous)
            coder = bench.context.coder
            wrong = await parameters.evaluated_problems(coder, version_id, values, workspace.owner_id)
        if wrong is None:
            wrong = parameters.wrong_carried(asked, previous, classic=classic)
        parameters.require_carried(wrong, f"{remedy}: {bench.link(workspace)}")

    await bench.patiently(required)


async def _followed_start(bench: Bench, workspace: Workspace) -> Done:
    """Somebody's start is under way already: that is what was asked for."""
    build = workspace.latest_build
    await bench.report.line(f"Build {build.build_number} is starting the workspace already; following it.")
    step = Step("start", workspace.id, after=build.build_number - 1, build_id=build.id)
    await bench.steps.record(step)
    await bench.followed(step, workspace)
    return _is_running(bench, workspace)


async def _awake(bench: Bench, workspace: Workspace) -> None:
    """A dormant workspace does not start (403 on many servers), so it is woken before."""
    if workspace.dormant_at is not None:
        await _set(bench, lambda: bench.builds.put_dormant(workspace.id, False), "woken")
        await bench.report.line("The workspace was dormant and is awake now.")


async def _stopped_then_started(
    bench: Bench, workspace: Workspace, *, stops: bool, checked: str, version_id: str | None
) -> None:
    """In one request where the server starts by itself what it has stopped, so that nobody gets in between.

    That request names the version that was `checked`: without one Coder starts the version that is active once the
    workspace has stopped. A start of its own keeps the version of the build before where `version_id` is None.
    """
    if bench.steps.left_at("start") is None:
        left = bench.steps.left_at("stop")
        if stops or left is not None:
            await bench.report.tell(label="Stopping")
            chained = left.chained if left is not None else bench.deployment.chains_builds
            if chained and await _chained(bench, workspace, ThenStart(checked)):
                return
            if not chained:
                await _built(bench, "stop", workspace, "stop", checked=checked)
        await _awake(bench, workspace)
    await bench.report.require_open()
    await bench.report.tell(label="Starting")
    await _built(bench, "start", workspace, "start", version_id=version_id, checked=checked)


async def _chained(bench: Bench, workspace: Workspace, then: ThenStart) -> bool:
    """Whether Coder has stopped and started it after one request; False where it is stopped and is to be started."""
    try:
        stop = await bench.build("stop", workspace, "stop", then_start=then, checked=then.version_id)
    except CoderForbidden:
        # To name a version takes the right to update the template, which two requests do without.
        await _built(bench, "stop", workspace, "stop", checked=then.version_id)
        return False
    except _NOT_BEGUN as error:
        raise _not_begun("stop", error) from None
    return await bench.follow_next_start(workspace, stop.build_number)


async def _built(
    bench: Bench,
    phase: str,
    workspace: Workspace,
    transition: str,
    *,
    version_id: str | None = None,
    parameters: Mapping[str, str] | None = None,
    checked: str | None = None,
) -> WatchedBuild:
    """One build; what Coder refuses is told in its own words."""
    try:
        return await bench.build(
            phase, workspace, transition, version_id=version_id, parameters=parameters, checked=checked
        )
    except _NOT_BEGUN as error:
        raise _not_begun(transition, error) from None


_NOT_BEGUN = (CoderBadRequest, CoderConflict, CoderForbidden, CoderNotFound, CoderGone)
"""With these Coder has not begun what it was asked for."""


def _not_begun(transition: str, error: CoderError) -> Failed:
    return Failed(f"Coder did not begin to {transition} the workspace: {reason(error)}")


async def _set(bench: Bench, change: Callable[[], Awaitable[None]], what: str, already: str = "") -> None:
    """A setting of the workspace; the same twice is the same as once."""
    try:
        await bench.patiently(change)
    except _NOT_BEGUN as error:
        raise Failed(f"The workspace was not {what}. Coder says: {reason(error)}.{already}") from None
