"""Types of settings that are more than a word or a number."""

import base64
import binascii
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

LEAST_SECRET_BYTES = 24
MARK = "whsec_"


def _split(value: object) -> object:
    """Take a list as an environment variable holds it: words between commas."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _require_long(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and len(secret_bytes(value)) < LEAST_SECRET_BYTES:
        raise ValueError(f"must hold at least {LEAST_SECRET_BYTES} bytes: openssl rand -base64 32")
    return value


def secret_bytes(value: SecretStr) -> bytes:
    """Decode a secret as Standard Webhooks writes it: base64, perhaps behind `whsec_`."""
    try:
        return base64.b64decode(value.get_secret_value().removeprefix(MARK), validate=True)
    except binascii.Error as error:
        raise ValueError("must be base64, as `openssl rand -base64 32` makes it") from error


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[
    tuple[Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")], ...], NoDecode, BeforeValidator(_split)
]
IpNetworks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_require_long)]
