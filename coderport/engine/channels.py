"""The channels by which the program reaches its engine."""

from __future__ import annotations

from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS

_OWN = ("grpc.use_local_subchannel_pool", 1)


def keep_apart() -> None:
    """Gives each of the SDK's channels a connection of its own. Calling it again changes nothing.

    gRPC shares connections between all channels of a process that have the same address, and with them the pause
    after a refused one (up to two minutes). An engine listens on whatever port is free. A run that ended badly leaves
    channels behind; an engine that gets one of their ports would be refused unasked. The SDK has no setting for it.
    """
    if _OWN not in _GRPC_CHANNEL_OPTIONS:
        _GRPC_CHANNEL_OPTIONS.append(_OWN)
