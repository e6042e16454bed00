"""Where a command works: the repository's folder, its configuration, and the credentials."""

import os
from pathlib import Path

from reconciler.configuration import (
    Configuration,
    Environment,
    GatewayConfiguration,
    parse_configuration,
)
from reconciler.errors import ConfigurationError
from reconciler.gateway import Credentials
from reconciler.model import Source

CONFIGURATION = "reconciler.yaml"


def find_root(repo: Path | None) -> Path:
    """The folder that holds `reconciler.yaml`: the one given, or the nearest upwards from here.

    Raises ConfigurationError if there is none.
    """
    start = (repo or Path.cwd()).resolve()
    candidates = [start] if repo is not None else [start, *start.parents]
    for folder in candidates:
        if (folder / CONFIGURATION).is_file():
            return folder
    where = f"{start} has no {CONFIGURATION}" if repo else f"no {CONFIGURATION} here or above"
    raise ConfigurationError(
        where, hint="Name the repository with --repo, or write one: docs/configuration.md."
    )


def read_configuration(root: Path) -> Configuration:
    """The configuration in the working tree. Raises ConfigurationError with every problem."""
    path = root / CONFIGURATION
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    return parse_configuration(Source(path=CONFIGURATION, content=content))


def choose_environment(configuration: Configuration, name: str | None) -> Environment:
    """The environment of that name, or the only one. Raises ConfigurationError."""
    names = ", ".join(configuration.environments)
    if name is None and len(configuration.environments) == 1:
        return next(iter(configuration.environments.values()))
    if name is None:
        raise ConfigurationError(
            "the configuration has several environments", hint=f"Name one with --env: {names}."
        )
    try:
        return configuration.environments[name]
    except KeyError:
        raise ConfigurationError(
            f"the configuration has no environment {name}", hint=f"It has: {names}."
        ) from None


def choose_environments(configuration: Configuration, name: str | None) -> list[Environment]:
    """The environment of that name, or all of them. Raises ConfigurationError."""
    if name is None:
        return list(configuration.environments.values())
    return [choose_environment(configuration, name)]


def read_credentials(gateway: GatewayConfiguration) -> Credentials:
    """The keys from the environment variables that the configuration names.

    Raises ConfigurationError for one that is not set.
    """
    values = {}
    for variable in (gateway.access_key_env, gateway.secret_key_env):
        value = os.environ.get(variable, "").strip()
        if not value:
            raise ConfigurationError(
                f"the environment variable {variable} is not set",
                hint="It holds a key of the application that is registered in the EnOS console.",
            )
        if not value.isascii() or not value.isprintable():
            raise ConfigurationError(
                f"the environment variable {variable} holds characters that no key has",
                hint="Copy the key once more from the EnOS console.",
            )
        values[variable] = value
    return Credentials(
        access_key=values[gateway.access_key_env], secret_key=values[gateway.secret_key_env]
    )
