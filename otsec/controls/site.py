"""What a site says of itself as controls need it: its name, zone, policy and inputs."""

import time
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from otsec.config import Config
from otsec.controls import inputs
from otsec.controls.inputs import Inputs
from otsec.controls.model import Period
from otsec.policy.checking import required
from otsec.policy.model import Policy
from otsec.store import Store
from otsec.store.queries import sources


@dataclass(frozen=True, slots=True)
class Site:
    """One site."""

    name: str
    zone: tzinfo = UTC
    policy: Policy | None = None
    policy_path: Path | None = None
    inputs: Inputs = field(default_factory=Inputs)


def site_of(
    config: Config, store: Store, policy: Path | None = None, given: Path | None = None
) -> Site:
    """The site that a configuration is about; `policy` and `given` are files named instead.

    The policy is else that of the configuration, where it names one.

    Its name is that of the configuration, or of the only site that the store holds. Raises
    ConfigError where a file cannot be used.
    """
    found = given if given is not None else inputs.find(config)
    named = policy or config.policy
    return Site(
        name_of(config, store),
        config.zone(),
        None if named is None else required(named, time.time_ns()),
        named,
        inputs.load(found),
    )


def whole(store: Store, site: str) -> Period:
    """All that the store holds of a site."""
    spans = [one for one in sources(store) if one.site == site and one.packets]
    return Period(
        min((one.first_time for one in spans), default=0),
        max((one.last_time for one in spans), default=0),
    )


def name_of(config: Config, store: Store) -> str:
    """The site that a configuration means: the one it names, else the only one of the store."""
    names = {one.site for one in sources(store) if one.packets}
    return config.site if config.site in names or len(names) != 1 else names.pop()
