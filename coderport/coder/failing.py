"""What a failing or odd answer costs, where what was asked for is only a part of what a run reads."""

from __future__ import annotations

from coderport.coder.client import CoderClient
from coderport.coder.errors import CoderError, CoderUnauthorized, CoderUnreachable


async def reason_of(client: CoderClient, error: CoderError) -> str:
    """Why that part could not be read, as a clause.

    Raises the error where it is none of that part alone: nobody is there, or the token is accepted nowhere any more.
    """
    if isinstance(error, CoderUnreachable) and not error.connected:
        raise error
    if isinstance(error, (CoderUnreachable, CoderUnauthorized)):
        try:
            await client.me()
        except CoderError:
            raise error from None
    return str(error).rstrip(".")
