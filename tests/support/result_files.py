"""Result files of jobs, and what two runs of the same work have in common."""

import hashlib
import json
import re
from typing import Any

import httpx

from tests.support.posted_jobs import Document, artifact

_OF_RUN = re.compile(rb'urn:uuid:[0-9a-f-]+|<M K="(?:Job|Input)">[^<]*</M>')


def files_of_images(job: Document) -> list[Document]:
    """Return the artifacts of a job that are results of its images."""
    return [each for each in job["result"]["artifacts"] if each["image_id"] is not None]


def digests(api: httpx.Client, job: Document) -> dict[str, str]:
    """Return digests of a job's result files by name, without what differs between runs."""
    contents = {each["name"]: artifact(api, job, each["name"]) for each in files_of_images(job)}
    return {name: digest(content) for name, content in contents.items()}


def digest(content: bytes) -> str:
    """Return the digest of a TIFF result without its provenance, which has ids and times of the run."""
    return hashlib.sha256(_OF_RUN.sub(b"", provenance_of(content)[1])).hexdigest()


def provenance_of(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the provenance in a TIFF result, and the content with spaces in its place."""
    for encoding, width in (("ascii", 1), ("utf-16-le", 2), ("utf-16-be", 2)):
        start = content.find('{"schema_version"'.encode(encoding))
        if start >= 0:
            rest = content[start : start + 2**18].decode(encoding, errors="replace")
            document, end = json.JSONDecoder().raw_decode(rest)
            blank = (" " * end).encode(encoding)
            return document, content[:start] + blank + content[start + end * width :]
    raise AssertionError("the file has no provenance")
