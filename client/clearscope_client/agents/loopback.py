"""Which pages of browsers may call tools that listen on loopback."""

from ipaddress import IPv6Address, ip_address

from mcp.server.transport_security import TransportSecuritySettings

_NAMES = ("127.0.0.1", "localhost", "[::1]")


def loopback_security(host: str) -> TransportSecuritySettings:
    """Return settings that refuse pages of other sites, also by DNS rebinding, at any loopback address.

    The SDK's own apply to 127.0.0.1, localhost and ::1 alone.
    """
    names = dict.fromkeys([*_NAMES, _in_urls(host)])
    return TransportSecuritySettings(
        allowed_hosts=[name + port for name in names for port in ("", ":*")],
        allowed_origins=[f"http://{name}{port}" for name in names for port in ("", ":*")],
    )


def _in_urls(host: str) -> str:
    try:
        return f"[{host}]" if isinstance(ip_address(host), IPv6Address) else host
    except ValueError:
        return host
