"""Routes of the deployment as such: licence, features, appearance, and figures of use."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from starlette.responses import Response

from coderport.emulators.coder.http import Call, forbidden, invalid, json_response, not_found
from coderport.emulators.coder.member_routes import require_licence
from coderport.emulators.coder.reading import organization_of, user_of
from coderport.emulators.coder.records import Proxy
from coderport.emulators.coder.template_routes import template_of
from coderport.emulators.coder.written import Json, derived_id, read_time, stamp

_FEATURES = (
    "access_control", "advanced_template_scheduling", "appearance", "audit_log", "browser_only",
    "control_shared_ports", "custom_roles", "external_provisioner_daemons", "external_token_encryption",
    "high_availability", "multiple_external_auth", "multiple_organizations", "scim", "template_rbac", "user_limit",
    "user_role_management", "workspace_batch_actions", "workspace_proxy",
)  # fmt: skip
_APPS = (
    ("Visual Studio Code", "vscode", "/icon/code.svg"),
    ("JetBrains", "jetbrains", "/icon/intellij.svg"),
    ("Web Terminal", "reconnecting-pty", "/icon/terminal.svg"),
    ("SSH", "ssh", "/icon/terminal.svg"),
    ("SFTP", "sftp", "/icon/terminal.svg"),
)
_DAYS_OF_USE = 61
_LICENSED_USERS = 500
_LICENCE_BEGAN = datetime(2025, 1, 1, tzinfo=timezone.utc)
_LICENCE_ENDS = datetime(2035, 1, 1, tzinfo=timezone.utc)


def get_entitlements(call: Call) -> Response:
    """``GET /entitlements``: every feature is there with a licence, and none without."""
    state = call.state
    people = sum(not (user.system or user.deleted) for user in state.users.values())
    features: dict[str, Json] = {
        name: {"entitlement": "entitled" if state.licensed else "not_entitled", "enabled": state.licensed}
        for name in _FEATURES
    }
    features["user_limit"]["actual"] = people
    if state.licensed:
        features["user_limit"]["limit"] = _LICENSED_USERS
    return json_response(
        {
            "features": features,
            "warnings": [],
            "errors": [],
            "has_license": state.licensed,
            "trial": False,
            "require_telemetry": False,
            "refreshed_at": stamp(state.now()),
        }
    )


def get_experiments(call: Call) -> Response:
    """``GET /experiments``: none is switched on."""
    return json_response([])


def get_appearance(call: Call) -> Response:
    """``GET /appearance``."""
    return json_response(
        {
            "application_name": "",
            "logo_url": "",
            "docs_url": "https://coder.com/docs/@" + call.state.flavour.version,
            "service_banner": {"enabled": False},
            "announcement_banners": [],
            "support_links": [],
        }
    )


def get_update_check(call: Call) -> Response:
    """``GET /updatecheck``: this version is taken for the newest."""
    version = call.state.flavour.version
    url = f"https://github.com/coder/coder/releases/tag/{version}"
    return json_response({"current": True, "version": version, "url": url})


def get_first_user(call: Call) -> Response:
    """``GET /users/first``: there is one, so that nobody can become it."""
    return json_response({"message": "The initial user has already been created!"})


def get_ssh_config(call: Call) -> Response:
    """``GET /deployment/ssh``."""
    row: Json = {"hostname_prefix": "coder.", "ssh_config_options": {}}
    if call.state.flavour.prebuild_fields:
        row["hostname_suffix"] = "coder"
    return json_response(row)


def get_regions(call: Call) -> Response:
    """``GET /regions``: the server itself."""
    if not call.subject.may("read", "organization", any_organization=True):
        raise not_found()
    region = {
        "id": call.state.deployment_id, "name": "primary", "display_name": "Default", "icon_url": "/emojis/1f3e1.png",
        "healthy": True, "path_app_url": f"http://{call.host}", "wildcard_hostname": "",
    }  # fmt: skip
    return json_response({"regions": [region]})


def get_deployment_stats(call: Call) -> Response:
    """``GET /deployment/stats``: builds by state and an hour without connections."""
    if not call.subject.may("read", "deployment_stats"):
        raise forbidden()
    state = call.state
    counts = dict.fromkeys(("pending", "building", "running", "failed", "stopped"), 0)
    names = {"starting": "building", "stopping": "building", "deleting": "building", "canceling": "building"}
    for workspace in state.undeleted():
        status = names.get(workspace.build.status, workspace.build.status)
        counts[status if status in counts else "failed"] += 1
    now = state.now()
    return json_response(
        {
            "aggregated_from": stamp(now - timedelta(minutes=15)),
            "collected_at": stamp(now),
            "next_update_at": stamp(now + timedelta(minutes=1)),
            "workspaces": {**counts, "connection_latency_ms": {"P50": -1, "P95": -1}, "rx_bytes": 0, "tx_bytes": 0},
            "session_count": {"vscode": 0, "ssh": 0, "jetbrains": 0, "reconnecting_pty": 0},
        }
    )


def list_licences(call: Call) -> Response:
    """``GET /licenses``: those that the token may read, and null where that is none (`enterprise/coderd/licenses.go`).

    The claims are those of the signed licence, verbatim; their names are those of `enterprise/coderd/license`.
    """
    if not call.state.licensed or not call.subject.may("read", "license"):
        return json_response(None)
    claims = {
        "iss": "test@coder.com", "iat": int(_LICENCE_BEGAN.timestamp()), "nbf": int(_LICENCE_BEGAN.timestamp()),
        "exp": int(_LICENCE_ENDS.timestamp()), "license_expires": int(_LICENCE_ENDS.timestamp()),
        "account_type": "salesforce", "account_id": "acme", "trial": False, "feature_set": "premium", "version": 3,
        "features": {"user_limit": _LICENSED_USERS}, "require_telemetry": False,
    }  # fmt: skip
    licence = {
        "id": 1, "uuid": derived_id(call.state.deployment_id, "licence"), "uploaded_at": stamp(_LICENCE_BEGAN),
        "claims": claims,
    }  # fmt: skip
    return json_response([licence])


def list_proxies(call: Call) -> Response:
    """``GET /workspaceproxies``: the server itself, and those beside it (`enterprise/coderd/workspaceproxy.go`)."""
    require_licence(call, "Workspace Proxy")
    proxies = [each for each in call.state.proxies.values() if not each.deleted]
    return json_response({"regions": [_primary(call), *(_proxy_json(each, call.state.now()) for each in proxies)]})


def get_proxy(call: Call) -> Response:
    """``GET /workspaceproxies/{proxy}``: by id a deleted one too, by name not (`queries/proxies.sql`)."""
    require_licence(call, "Workspace Proxy")
    wanted = call.path["proxy"]
    if wanted in (call.state.deployment_id, "primary"):
        return json_response(_primary(call))
    for each in call.state.proxies.values():
        if each.id == wanted or (each.name == wanted and not each.deleted):
            return json_response(_proxy_json(each, call.state.now()))
    raise not_found()


def _primary(call: Call) -> Json:
    """The server as a proxy: always healthy, and made now, each time that it is asked for."""
    now = call.state.now()
    primary = Proxy(
        call.state.deployment_id, "primary", now, now, "Default", "/emojis/1f3e1.png", f"http://{call.host}",
        version=call.state.flavour.version,
    )  # fmt: skip
    return _proxy_json(primary, now)


def _proxy_json(proxy: Proxy, now: datetime) -> Json:
    return {
        "id": proxy.id, "name": proxy.name, "display_name": proxy.display_name, "icon_url": proxy.icon,
        "healthy": proxy.status == "ok", "path_app_url": proxy.url, "wildcard_hostname": proxy.wildcard_hostname,
        "derp_enabled": True, "derp_only": False, "created_at": stamp(proxy.created_at),
        "updated_at": stamp(proxy.updated_at), "deleted": proxy.deleted, "version": proxy.version,
        "status": {
            "status": proxy.status, "checked_at": stamp(now),
            "report": {"errors": list(proxy.errors), "warnings": list(proxy.warnings)},
        },
    }  # fmt: skip


def list_provisioner_keys(call: Call) -> Response:
    """``GET /organizations/{organization}/provisionerkeys``, and the same with daemons: no external ones here."""
    require_licence(call, "External Provisioner Daemons")
    organization_of(call)
    return json_response([])


def log_out(call: Call) -> Response:
    """``POST /users/logout``: the key that asks is gone."""
    tokens = call.state.tokens
    for key in [key for key, token in tokens.items() if token is call.subject.token]:
        del tokens[key]
    return json_response({"message": "Logged out!"})


def get_login_type(call: Call) -> Response:
    """``GET /users/{user}/login-type``: only one's own."""
    user = user_of(call)
    if user is not call.subject.user:
        raise forbidden("You cannot view other users' login types.")
    return json_response({"login_type": user.login_type})


# ---------------------------------------------------------------- figures of use


def get_template_insights(call: Call) -> Response:
    """``GET /insights/templates``: nobody connects to an emulated workspace, so that every figure is 0."""
    begins, ends = _range(call)
    report = {
        "start_time": stamp(begins),
        "end_time": stamp(ends),
        "template_ids": [],
        "active_users": 0,
        "apps_usage": [
            {"template_ids": [], "type": "builtin", "display_name": name, "slug": slug, "icon": icon, "seconds": 0,
             "times_used": 0}
            for name, slug, icon in _APPS
        ],
        "parameters_usage": [],
    }  # fmt: skip
    answer: Json = {"report": report}
    interval = call.query.get("interval", "")
    if interval not in ("", "day", "week"):
        detail = f'Query param "interval" has invalid value: "{interval}"'
        raise invalid("interval", detail, "Query parameters have invalid values.")
    if interval:
        answer["interval_reports"] = _intervals(begins, ends, interval)
    return json_response(answer)


def _intervals(begins: datetime, ends: datetime, interval: str) -> list[Json]:
    step, rows = timedelta(days=7 if interval == "week" else 1), []
    while begins < ends:
        until = min(begins + step, ends)
        rows.append({"start_time": stamp(begins), "end_time": stamp(until), "template_ids": [], "interval": interval,
                     "active_users": 0})  # fmt: skip
        begins = until
    return rows


def get_user_activity(call: Call) -> Response:
    """``GET /insights/user-activity``: nobody was active, as nobody connects here."""
    begins, ends = _range(call)
    return json_response(
        {"report": {"start_time": stamp(begins), "end_time": stamp(ends), "template_ids": [], "users": []}}
    )


def _range(call: Call) -> tuple[datetime, datetime]:
    """The asked time; 404 to who may not see every template's insights."""
    if not call.subject.may("view_insights", "template"):
        raise not_found()
    times = []
    for name in ("start_time", "end_time"):
        try:
            times.append(read_time(call.query.get(name, "")))
        except ValueError:
            detail = f'Query param "{name}" must be a valid date format (2006-01-02T15:04:05Z07:00)'
            raise invalid(name, detail, "Query parameters have invalid values.") from None
    if times[1] <= times[0]:
        raise invalid("end_time", "must be after the start_time", "Query parameter has invalid value.")
    return times[0], times[1]


def get_daily_users(call: Call) -> Response:
    """``GET /templates/{template}/daus``: a day after the other, each without a connection."""
    template_of(call)
    today = call.state.now().date()
    days = [today - timedelta(days=ago) for ago in range(_DAYS_OF_USE - 1, -1, -1)]
    return json_response({"entries": [{"date": str(day), "amount": 0} for day in days], "tz_hour_offset": 0})


def get_deployment_config(call: Call) -> Response:
    """``GET /deployment/config``: for owners; 403 to others. Only what the emulator has a setting for is in it."""
    if not call.subject.may("read", "deployment_config"):
        raise forbidden()
    limit = {"api": {"value": 512}}
    return json_response({"config": {"access_url": f"http://{call.host}", "rate_limit": limit}, "options": []})
