"""Stack config and environment, validated into one frozen value.

Every setting lives in the stack config under `coderport:`. Those of `ENVIRONMENT` also have an environment
variable, which counts where the config is silent. All mistakes are reported in one error.
"""

from coderport.settings.loading import load_access, load_releases, load_settings, printed_settings, settings_of
from coderport.settings.names import ENVIRONMENT, NAMESPACE, RELEASES
from coderport.settings.problems import problems_of, wrong_types
from coderport.settings.values import Access, Actions, CoderAccess, Limits, Live, PortAccess, Releases, Settings
from coderport.terminal.placeholder import NO_STACK
from coderport.transport.address import is_loopback

__all__ = [
    "ENVIRONMENT",
    "NAMESPACE",
    "NO_STACK",
    "RELEASES",
    "Access",
    "Actions",
    "CoderAccess",
    "Limits",
    "Live",
    "PortAccess",
    "Releases",
    "Settings",
    "is_loopback",
    "load_access",
    "load_releases",
    "load_settings",
    "printed_settings",
    "problems_of",
    "settings_of",
    "wrong_types",
]
