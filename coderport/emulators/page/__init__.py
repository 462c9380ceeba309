"""A page to look at the emulated pair: Coder on the left, Port on the right. It says on each view that it is emulated.

`app` is the server, `coder_side` and `port_side` are what it shows, `bundle/` is what runs in the browser.
"""

from __future__ import annotations
