"""A probe of the webhook service, as a process of its own: how long `/healthz` takes, each time by a new connection.

python service_probe.py FILE, where FILE has the service's address, which may change. Prints for each question the
seconds and the status, or what went wrong.
"""

from __future__ import annotations

import http.client
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

PAUSE, PATIENCE = 0.2, 300.0


def asked(address: Path) -> str:
    """The status of one answer, or the name of the error."""
    at = urlsplit(address.read_text(encoding="utf-8"))
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    finally:
        connection.close()


if __name__ == "__main__":
    while True:
        begun = time.monotonic()
        said = asked(Path(sys.argv[1]))
        print(f"{time.monotonic() - begun:.3f} {said}", flush=True)
        time.sleep(PAUSE)
