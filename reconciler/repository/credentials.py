"""The keys of a gateway, from the environment: which variables may hold one, and what they hold.

A module of its own, because most commands that read a configuration ask no gateway.
"""

import os

from reconciler.configuration import GatewayConfiguration
from reconciler.enos.access import Credentials
from reconciler.errors import ConfigurationError

KEY_VARIABLES = "RECONCILER_KEY_VARIABLES"
_KEY_PREFIX = "ENOS_"


def may_hold_key(variable: str) -> bool:
    """Whether the configuration may name this variable as one that holds a key.

    Anybody who opens a pull request can write the configuration, and a job has other secrets too.
    """
    allowed = os.environ.get(KEY_VARIABLES, "").replace(",", " ").split()
    return variable.startswith(_KEY_PREFIX) or variable in allowed


def read_credentials(gateway: GatewayConfiguration) -> Credentials:
    """The keys from the environment variables that the configuration names.

    Raises ConfigurationError for a variable that is not set, may not be named, or holds no key.
    """
    names = (gateway.access_key_env, gateway.secret_key_env)
    if len(set(names)) == 1:
        raise ConfigurationError(
            f"accessKeyEnv and secretKeyEnv are both {names[0]}",
            hint="Name a variable of its own for each in reconciler.yaml.",
        )
    both = f"Give both: export {names[0]}=… {names[1]}=…"
    values = {}
    for variable in names:
        if not may_hold_key(variable):
            raise ConfigurationError(
                f"the environment variable {variable} is not read: the names of key variables "
                "begin with ENOS_, so that no configuration can ask for another secret",
                hint=f"Rename it, or set {KEY_VARIABLES}={variable} where the command runs.",
            )
        value = os.environ.get(variable, "").strip()
        if not value:
            raise ConfigurationError(
                f"the environment variable {variable} is not set",
                hint="It holds a key of the application that is registered in the EnOS console. "
                f"{both}",
            )
        if not value.isascii() or not value.isprintable():
            raise ConfigurationError(
                f"the environment variable {variable} holds characters that no key has",
                hint=f"Copy the key once more from the EnOS console. {both}",
            )
        values[variable] = value
    return Credentials(
        access_key=values[gateway.access_key_env], secret_key=values[gateway.secret_key_env]
    )
