"""Types of settings that need parsing: lists, networks, secrets."""

import base64
import binascii
import json
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

MIN_SECRET_BYTES = 24
WHSEC_PREFIX = "whsec_"


def _parse_json(value: object) -> object:
    """Parse the JSON of an environment variable."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"must be JSON: {error}") from error


def _split(value: object) -> object:
    """Split the comma-separated list of an environment variable."""
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _require_long(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and len(secret_bytes(value)) < MIN_SECRET_BYTES:
        raise ValueError(f"must hold at least {MIN_SECRET_BYTES} bytes: openssl rand -base64 32")
    return value


def secret_bytes(value: SecretStr) -> bytes:
    """Decode a secret in the format of Standard Webhooks: base64 with an optional prefix `whsec_`."""
    try:
        return base64.b64decode(value.get_secret_value().removeprefix(WHSEC_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("must be base64, such as the output of `openssl rand -base64 32`") from error


FinitePositive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
LimitsByCamera = Annotated[
    dict[str, dict[str, Annotated[FinitePositive, Field(strict=True)]]],
    NoDecode,
    BeforeValidator(_parse_json),
]
Days = Annotated[float, Field(gt=0, le=36_500, allow_inf_nan=False)]
CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Origins = Annotated[
    tuple[Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")], ...], NoDecode, BeforeValidator(_split)
]
ViewerUrl = Annotated[str, Field(pattern=r"^(https?://[^/*\s?#]+/[^\s?#]*)?$")]
IpNetworks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_require_long)]
