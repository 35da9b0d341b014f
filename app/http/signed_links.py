"""Signed links: addresses that may be read without a key, until they expire.

Programs that open images from the web append names of files to an address and cannot send a key. So the
address itself says who made it and until when it holds, and a signature binds both to one layer of one image
or result.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

WITHOUT_KEY = "open"
"""Stands in the place of a key's prefix in links of a server without keys."""

_PATH = re.compile(r"/v1/(images|artifacts)/([^/]+)/zarr/([^/]+)/([a-z]+)\.ome\.zarr(?:/.*)?")
_LINK = re.compile(
    rf"(?:([0-9a-f]{{32}})\.)?([0-9a-f]{{12}}|{WITHOUT_KEY})\.([0-9]{{1,11}})\.([0-9a-f]{{64}})"
)
_ID = "lnk_"
_IN_RAW_PATH = re.compile(r"(/zarr/)[^/]+")


@dataclass(frozen=True)
class Subject:
    """What a link lets read: a layer of an image or of an artifact."""

    collection: str
    id: str
    layer: str


@dataclass(frozen=True)
class SignedLink:
    """A link; `key_prefix` names the API key that it was made with.

    `id`: by which it is listed and ended; None for links that were made before there were ids.
    """

    id: str | None
    subject: Subject
    key_prefix: str
    expires_at: datetime
    signature: str

    @classmethod
    def sign(
        cls, link_id: str | None, subject: Subject, key_prefix: str, expires_at: datetime, secret: str
    ) -> Self:
        """Sign a link that expires at the full second; `secret`: known to the server alone."""
        unsigned = cls(link_id, subject, key_prefix, expires_at.replace(microsecond=0), "")
        return replace(unsigned, signature=unsigned._signature(secret))

    def is_signed_with(self, secret: str) -> bool:
        """Return whether a secret has made the signature, compared in constant time."""
        return hmac.compare_digest(self._signature(secret), self.signature)

    @property
    def path(self) -> str:
        """Return the path of the OME-Zarr that it leads to."""
        link = f"{self.key_prefix}.{int(self.expires_at.timestamp())}.{self.signature}"
        if self.id is not None:
            link = f"{self.id.removeprefix(_ID)}.{link}"
        subject = self.subject
        return f"/v1/{subject.collection}/{subject.id}/zarr/{link}/{subject.layer}.ome.zarr"

    def _signature(self, secret: str) -> str:
        subject, seconds = self.subject, int(self.expires_at.timestamp())
        told = ["link", subject.collection, subject.id, subject.layer, self.key_prefix, str(seconds)]
        told += [] if self.id is None else [self.id]
        return hmac.new(secret.encode(), "\n".join(told).encode(), hashlib.sha256).hexdigest()


def is_linked(path: str) -> bool:
    """Return whether a path is one that needs a signed link in place of a key."""
    return _PATH.fullmatch(path) is not None


def link_in(path: str) -> SignedLink | None:
    """Return the link in such a path; None if it is malformed."""
    match = _PATH.fullmatch(path)
    link = _LINK.fullmatch(match[3]) if match else None
    if match is None or link is None:
        return None
    subject = Subject(match[1], match[2], match[4])
    link_id, key_prefix, seconds, signature = link.groups()
    expires_at = datetime.fromtimestamp(int(seconds), UTC)
    return SignedLink(None if link_id is None else _ID + link_id, subject, key_prefix, expires_at, signature)


def without_link(raw_path: str) -> str:
    """Return a path for logs, without the link that it may hold."""
    return _IN_RAW_PATH.sub(r"\1...", raw_path)
