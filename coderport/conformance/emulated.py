"""All probes, asked of the emulators over sockets: `make conformance`, which continuous integration runs.

It ends as the command does: an emulator that is not as the probes expect is a mistake of the emulator or of the probe.
"""

from __future__ import annotations

import sys

from coderport.conformance.command import ask_coder, ask_port, finish
from coderport.emulators.pair import Pair
from coderport.settings import CoderAccess, PortAccess, load_access
from coderport.terminal.screen import Screen


def main() -> int:
    """Asks both; the larger of the two exit codes."""
    console = Screen()
    with Pair() as pair:
        pair.port.add_user("somebody@example.com", teams=("somebodies",))
        servers = pair.describe()
        environ = {
            "PORT_BASE_URL": servers["port_url"],
            "PORT_CLIENT_ID": servers["port_client_id"],
            "PORT_CLIENT_SECRET": servers["port_client_secret"],
            "CODER_API_BASE_URL": servers["coder_url"],
            "CODER_SESSION_TOKEN": servers["coder_token"],
        }
        port = finish(ask_port(load_access(PortAccess, environ), console), None, console)
        coder = finish(ask_coder(load_access(CoderAccess, environ), console, writes=True), None, console)
        return max(port, coder)


if __name__ == "__main__":
    sys.exit(main())
