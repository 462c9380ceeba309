"""What can go wrong between coderport and a Coder server, one class per thing a caller may want to tell apart."""

from __future__ import annotations

from coderport.errors import CoderportError, SettingsError

ADDRESS = ("coderApiBaseUrl",)


class CoderError(CoderportError):
    """Anything that failed on the way to Coder, at Coder, or in what Coder answered."""


class CoderUnreachable(CoderError):
    """No answer: connection refused, name unknown, timed out, or cut off before the headers were through.

    Not `connected` where nobody listens at the address or nobody knows the name, so that nothing was sent.
    """

    def __init__(self, message: str, *, connected: bool = True) -> None:
        super().__init__(message)
        self.connected = connected
        if not connected:
            self.keys = ADDRESS


class CoderRedirected(CoderError):
    """A 3xx. Never followed: Coder's own redirect drops the path, and the token must not travel to another host."""

    keys = ADDRESS


class CoderAnswerError(CoderError):
    """An answer that is not what the API promises: no JSON, wrong shape, a row without a valid id."""


class CoderElsewhere(CoderAnswerError):
    """No JSON: what answers is no Coder deployment, or something on the way to it."""

    keys = ADDRESS


class CoderCutAnswer(CoderAnswerError):
    """JSON that ends early. Coder writes its status before the body, so a lost connection can cut a 200."""


class CoderStatusError(CoderError):
    """Coder answered with an error status; `status` is the number, `reason` the server's own message."""

    def __init__(self, message: str, *, status: int, reason: str, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.fields = fields
        """Names from the `validations` of the error body, e.g. the search key that this server does not know.
        """


class CoderBadRequest(CoderStatusError):
    """400: malformed or unknown parameter; older servers answer it for search keys that they do not know."""


class CoderUnauthorized(CoderStatusError):
    """401: no token, malformed, unknown, expired, or its user is suspended."""

    keys = ("coderSessionToken",)


class CoderForbidden(CoderStatusError):
    """403: the object is known and the token may not have it."""


class CoderNotFound(CoderStatusError):
    """404: not there *or not visible*; Coder does not tell the two apart on purpose."""


class CoderConflict(CoderStatusError):
    """409: another build is active, a name is taken, or the object is in the wrong state."""


class CoderGone(CoderStatusError):
    """410: answered only for a workspace that existed and was deleted."""


class CoderServerError(CoderStatusError):
    """5xx, and 408: Coder or something on the way to it failed for the moment."""


class CoderRateLimited(CoderStatusError):
    """429: more requests than Coder allows per user, path and minute; `retry_after` in seconds where Coder gave it."""

    def __init__(self, message: str, *, reason: str, retry_after: float | None) -> None:
        super().__init__(message, status=429, reason=reason)
        self.retry_after = retry_after


class CoderTokenTooWeak(CoderError):
    """The token may not read all workspaces or templates in scope. Coder would answer 200 with fewer rows."""


class VersionImporting(CoderError):
    """The active version of a template is still being imported, so that nobody knows its parameters yet."""


class UnknownOrganization(CoderError, SettingsError):
    """Organizations named in the settings are not among those that the token can see: `unknown`, and `seen` names."""

    def __init__(self, message: str, unknown: tuple[str, ...] = (), seen: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.unknown = unknown
        self.seen = seen
