"""Posts a file as a comment on a GitLab merge request, or updates the one that this user posted before.

Usage: gitlab_comment.py STACK FILE. Takes GITLAB_COMMENT_TOKEN (an access token with the scope `api`) and, as GitLab
sets them in a job, CI_API_V4_URL, CI_PROJECT_ID, CI_MERGE_REQUEST_IID, CI_COMMIT_SHA and CI_JOB_URL. The job token
cannot write comments: https://docs.gitlab.com/ci/jobs/ci_job_token/
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

LONGEST = 100_000
"""Characters of a comment. GitLab takes a million; nobody reads more than this."""

_SECONDS = 30.0
_MOST_PAGES = 50


def post(client: httpx.Client, notes: str, stack: str, text: str) -> str:
    """Writes the comment of the stack at `notes`, the path of a merge request's notes. Returns what was done."""
    marker = f"<!-- coderport preview {quote(stack)} -->"
    body = f"{marker}\n{text}"[:LONGEST]
    me = _answer(client.get("user"))["id"]
    # Whoever may comment can write our marker, so only comments of this user count.
    mine = next((each for each in _notes(client, notes) if _is_ours(each, me, marker)), None)
    if mine is None:
        _answer(client.post(notes, json={"body": body}))
        return "posted"
    _answer(client.put(f"{notes}/{mine['id']}", json={"body": body}))
    return "updated"


def _is_ours(note: Mapping[str, Any], me: int, marker: str) -> bool:
    return note["author"]["id"] == me and not note["system"] and str(note["body"]).startswith(marker)


def _notes(client: httpx.Client, notes: str) -> Iterator[Mapping[str, Any]]:
    page = "1"
    for _ in range(_MOST_PAGES):
        answer = client.get(notes, params={"per_page": 100, "sort": "asc", "order_by": "created_at", "page": page})
        yield from _answer(answer)
        page = answer.headers.get("x-next-page", "")
        if not page:
            return


def _answer(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json()
    path = response.request.url.path
    raise SystemExit(f"GitLab answers {response.request.method} {path} with {response.status_code}.{_remedy(response)}")


def _remedy(response: httpx.Response) -> str:
    if response.status_code in (401, 403):
        return " GITLAB_COMMENT_TOKEN has to be an access token with the scope `api` and the role Reporter."
    return ""


def main(stack: str, file: Path, environment: Mapping[str, str]) -> None:
    """Posts the file; without a token it says so and does nothing."""
    token = environment.get("GITLAB_COMMENT_TOKEN", "")
    if not token:
        print("No comment: GITLAB_COMMENT_TOKEN is not set. The job's log has the preview.")
        return
    text = file.read_text(encoding="utf-8", errors="replace")
    text += f"\nCommit {environment['CI_COMMIT_SHA']}, [log]({environment['CI_JOB_URL']})\n"
    notes = f"projects/{environment['CI_PROJECT_ID']}/merge_requests/{environment['CI_MERGE_REQUEST_IID']}/notes"
    headers = {"PRIVATE-TOKEN": token}
    try:
        with httpx.Client(base_url=environment["CI_API_V4_URL"], headers=headers, timeout=_SECONDS) as client:
            print(f"The comment was {post(client, notes, stack, text)}.")
    except httpx.HTTPError as error:
        raise SystemExit(f"The comment could not be written to GitLab: {type(error).__name__}.") from None


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), os.environ)
