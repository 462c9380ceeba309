"""Runs a command that is killed when the process that started it ends: `python tether.py PARENT COMMAND …`.

A command that is killed leaves its engine behind, which notices only when it next prints a line: while Port does not
answer it would stay, and hold the stack's lock. Linux can tie the two together; elsewhere they stay loose. It loads
as little as it can, because every call of the Pulumi CLI goes through it (15 ms).
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9

if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
        if os.getppid() != int(parent):  # it ended before it was tied
            sys.exit(1)
    os.execv(command[0], command)
