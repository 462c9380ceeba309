"""coderport's Pulumi program: Port's catalog matches Coder after `pulumi up`."""

import pulumi

from coderport.program.main import program

pulumi.run(program)
