"""Coder and Port side by side on loopback, and a third server that controls both."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from starlette.applications import Starlette
from starlette.routing import Mount

from coderport.emulators.coder import CoderEmulator
from coderport.emulators.kit import Served, serve

if TYPE_CHECKING:
    from coderport.emulators.port import PortEmulator
    from coderport.emulators.port.behaviour import Behaviour


PERMISSIONS_DELAY = 0.2
"""Seconds after which a new action of the pair's Port has its permissions: the real one makes them a moment later."""


@final
class Pair:
    """Both emulators, served from construction until `stop` (or the end of a ``with`` block).

    Each port may be fixed; 0 is a free one. The control server has Coder's control routes under ``/coder``
    and Port's under ``/port``; neither is reachable under an emulated API. With a `page_port` there is a page to look
    at both in a browser.
    """

    def __init__(
        self,
        coder: CoderEmulator | None = None,
        port: PortEmulator | None = None,
        *,
        seed: int = 0,
        coder_port: int = 0,
        port_port: int = 0,
        control_port: int = 0,
        page_port: int | None = None,
        port_behaviour: Behaviour | None = None,
        **coder_settings: Any,
    ) -> None:
        """Emulators that are not given are made from `seed`: Port with `port_behaviour`, Coder with its settings."""
        # What only needs Coder does not load it.
        from coderport.emulators.port import PortEmulator
        from coderport.emulators.port.behaviour import Behaviour

        self.coder = coder or CoderEmulator(seed, **coder_settings)
        self.port = port or PortEmulator(
            seed=seed, behaviour=port_behaviour or Behaviour(permissions_delay=PERMISSIONS_DELAY)
        )
        control = Starlette(
            routes=[
                Mount("/coder", routes=self.coder.control_routes()),
                Mount("/port", routes=self.port.control_routes()),
            ]
        )
        self._served: list[Served] = []
        try:
            self._served.append(self.coder.serve(coder_port))
            for app, fixed in ((self.port.app, port_port), (control, control_port)):
                self._served.append(serve(app, fixed))
            if page_port is not None:
                from coderport.emulators.page.app import application

                self._served.append(serve(application(self.coder, self.port), page_port))
        except BaseException:
            self.stop()
            raise
        self.coder_url, self.port_url, self.control_url, *page = (served.url for served in self._served)
        self.page_url: str | None = page[0] if page else None

    def describe(self) -> dict[str, str]:
        """How to reach both, as the `emulate` command prints it."""
        return {
            "coder_url": self.coder_url,
            "coder_token": self.coder.token,
            "port_url": self.port_url,
            "port_client_id": self.port.client_id,
            "port_client_secret": self.port.client_secret,
            "control_url": self.control_url,
            **({} if self.page_url is None else {"page_url": self.page_url}),
        }

    def banner(self) -> str:
        """What is running here, in one line for a person; it names no secret."""
        return (
            f"emulated Coder on {self.coder_url}, emulated Port on {self.port_url}, "
            f"control on {self.control_url}: made-up data in memory, nothing of it is real"
        )

    def stop(self) -> None:
        """Stop what was started; the emulators keep what they hold."""
        self.coder.stop_churn()
        for served in self._served:
            served.stop()
        self._served.clear()

    def __enter__(self) -> Pair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
