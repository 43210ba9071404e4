"""Which addresses a connection string means, in order, without blocking the loop.

libpq would resolve names itself, blocking every task meanwhile; so each attempt is given one host
with its address, and keeps the host's name for TLS to verify.
"""

from __future__ import annotations

import os
import random
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import trio

from awa._core.limits import CONNECT_TIMEOUT_MIN_S, CONNECT_TIMEOUT_S
from awa.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

Params: TypeAlias = dict[str, Any]
"""Connection parameters by libpq's names."""

_ENVIRONMENT: Final = {
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
    "port": "PGPORT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_PORT_DEFAULT: Final = "5432"


def connect_timeout_s(params: Mapping[str, Any]) -> float:
    """Seconds for one attempt, names resolved included. Raises ConfigurationError.

    Zero means no limit to libpq; an asynchronous program needs one, so it means the default.
    """
    text = _param(params, "connect_timeout")
    try:
        given = float(text or 0)
    except ValueError as error:
        raise ConfigurationError(f"connect_timeout={text!r} is not a number of seconds") from error
    return max(CONNECT_TIMEOUT_MIN_S, given) if given > 0 else CONNECT_TIMEOUT_S


async def attempts_of(params: Params, failures: list[str]) -> AsyncGenerator[Params]:
    """Every attempt to make, in order; names are resolved one by one as they are needed.

    What cannot be resolved is noted in `failures` and skipped.
    """
    hosts = split_hosts(params)
    if _param(params, "load_balance_hosts") == "random":
        # Not a secret: it only spreads connections.
        random.shuffle(hosts)
    for wish in _wishes(params):
        for host in hosts:
            for address in await _addresses(host, failures):
                yield {**params, **host, **wish, **address}


def split_hosts(params: Mapping[str, Any]) -> list[Params]:
    """One dictionary (host, hostaddr, port) for each host that libpq would try.

    Raises ConfigurationError when the lists do not match.
    """
    names, addresses, ports = (
        _param(params, name).split(",") if _param(params, name) else []
        for name in ("host", "hostaddr", "port")
    )
    count = max(len(names), len(addresses), 1)
    if names and addresses and len(names) != len(addresses):
        raise ConfigurationError(f"{len(names)} hosts do not match {len(addresses)} addresses")
    if len(ports) not in {0, 1, count}:
        raise ConfigurationError(f"{len(ports)} ports do not match {count} hosts")
    ports = ports * count if len(ports) == 1 else ports
    columns = {"host": names, "hostaddr": addresses, "port": ports}
    return [{name: values[at] for name, values in columns.items() if values} for at in range(count)]


def _wishes(params: Mapping[str, Any]) -> list[Params]:
    """`prefer-standby` is two rounds: standbys first, then whoever answers."""
    if _param(params, "target_session_attrs") == "prefer-standby":
        return [{"target_session_attrs": "standby"}, {"target_session_attrs": "any"}]
    return [{}]


async def _addresses(host: Params, failures: list[str]) -> list[Params]:
    name = host.get("host", "")
    if not name or name.startswith(("/", "@")) or host.get("hostaddr"):
        return [{}]
    if _is_address(name):
        return [{"hostaddr": name}]
    port = host.get("port") or _PORT_DEFAULT
    try:
        # In a thread that is left behind when the attempt is cancelled.
        found = await trio.socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        failures.append(f"{name}: the name cannot be resolved: {reason}")
        return []
    return [{"hostaddr": address[4][0]} for address in found]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _param(params: Mapping[str, Any], name: str) -> str:
    return str(params.get(name) or os.environ.get(_ENVIRONMENT[name], ""))
