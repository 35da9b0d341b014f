"""SSRF protection: the server calls only public addresses on a user's behalf, unless configured otherwise."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from models_store.errors import AddressForbiddenError

Address = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

_PORTS = {"http": 80, "https": 443}

_GLOBAL_IPV6 = IPv6Network("2000::/3")
# Blocked although `ipaddress` calls some of them global: tunnels with arbitrary endpoints, cloud metadata.
_NOT_PUBLIC = (
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("2001::/32"),  # Teredo
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("168.63.129.16/32"),  # Azure platform services
    IPv4Network("192.0.0.0/24"),  # protocol assignments; Oracle Cloud metadata
    IPv6Network("3fff::/20"),  # documentation
)


@dataclass(frozen=True)
class Destination:
    """A URL with its address, resolved once: connecting to `address` is safe from DNS rebinding."""

    url: str
    host: str
    port: int
    address: Address


def resolve(url: str, allowed: Sequence[IpNetwork]) -> Destination:
    """Resolve a URL. Raises AddressForbiddenError unless all its addresses are public or allowed."""
    host, port = _host_and_port(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressForbiddenError(f"the host {host!r} has no address: {error}") from error
    # A zone (fe80::1%eth0) is not part of the address.
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    for address in addresses:
        if not is_allowed(address, allowed):
            raise AddressForbiddenError(
                f"{host!r} resolves to {address}, which is not a public address; an administrator can "
                "allow private networks with CLEARSCOPE_WEBHOOK_ALLOWED_NETWORKS"
            )
    return Destination(url, host, port, addresses[0])


def is_allowed(address: Address, allowed: Sequence[IpNetwork]) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if isinstance(address, IPv6Address) and address not in _GLOBAL_IPV6:
        return False
    if any(address in network for network in _NOT_PUBLIC if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _host_and_port(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise AddressForbiddenError(f"{url!r} is not a URL: {error}") from error
    if parts.scheme not in _PORTS or not host:
        raise AddressForbiddenError(f"a URL must begin with https:// or http:// and a host; {url!r} does not")
    return host, port or _PORTS[parts.scheme]
