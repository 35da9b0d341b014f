"""Documents of artifacts: files that jobs make."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from models_store.contracts.vocabulary import Output
from models_store.repositories.jobs.artifacts import ListedArtifact, download_name, group_of


class ArtifactSeries(BaseModel):
    """One of several images in a file: its number, counted from 0, and its name."""

    index: int
    name: str


class ArtifactDocument(BaseModel):
    """A file that a job has made.

    `group`: which of `values.groups` it belongs to, counted from 0; null: the job's images are not grouped.
    `series`: the images of a file that it is about; empty if the files of the job hold one image each, and
    for a report on all images. `download_name` is `name`, but tells reports on several groups apart.
    """

    id: str
    name: str
    download_name: str | None = None
    media_type: str
    image_id: str | None
    output: Output | None
    group: int | None = None
    series: list[ArtifactSeries] = []
    sha256: str
    size: int
    href: str


def artifact_documents(
    values: Mapping[str, Any], artifacts: Sequence[ListedArtifact]
) -> list[ArtifactDocument]:
    """Return the documents of a job's artifacts; `values`: the result of the job."""
    groups = [group_of(values, each.read_image_id) for each in artifacts]
    of_groups: dict[int, set[tuple[int, str]]] = defaultdict(set)
    for group, each in zip(groups, artifacts, strict=True):
        if group is not None and each.series is not None:
            of_groups[group].add(each.series)
    return [
        _document(each, group, of_groups[group] if group is not None else set())
        for group, each in zip(groups, artifacts, strict=True)
    ]


def _document(
    listed: ListedArtifact, group: int | None, series_of_group: set[tuple[int, str]]
) -> ArtifactDocument:
    row = listed.row
    own = {listed.series} if listed.series is not None else set()
    about = series_of_group if row.image_id is None else own
    return ArtifactDocument(
        id=row.id,
        name=row.name,
        download_name=download_name(row, group),
        media_type=row.media_type,
        image_id=row.image_id,
        output=row.output,
        group=group,
        series=[ArtifactSeries(index=index, name=name) for index, name in sorted(about)],
        sha256=row.sha256,
        size=row.size_bytes,
        href=f"/v1/artifacts/{row.id}/content",
    )
