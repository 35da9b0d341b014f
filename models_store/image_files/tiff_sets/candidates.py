"""The images of a set of TIFF files of any kind."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from os import SEEK_END
from pathlib import PurePosixPath

from models_store.errors import ImageCorruptError
from models_store.image_files.header import ImageHeader, ImageLimits, SeriesEntry
from models_store.image_files.planes import PlaneSource
from models_store.image_files.sets.named_files import NamedFiles
from models_store.image_files.sets.other_images import files_read_alone, told_of_others
from models_store.image_files.tiff.inspect import read_image
from models_store.image_files.tiff.plane_grid import grid_of
from models_store.image_files.tiff.reader import TiffPlanes
from models_store.image_files.tiff_sets import ndtiff_header, ome_header, page_series
from models_store.image_files.tiff_sets.file_names import listed
from models_store.image_files.tiff_sets.members import Members, Place, naming, tiff_names
from models_store.image_files.tiff_sets.ndtiff_folder import NdtiffFolder
from models_store.image_files.tiff_sets.ndtiff_images import NdtiffImage, images_in, index_names
from models_store.image_files.tiff_sets.ndtiff_index import read_index
from models_store.image_files.tiff_sets.ndtiff_planes import NdtiffPlanes
from models_store.image_files.tiff_sets.ome_documents import Documents, read_documents
from models_store.image_files.tiff_sets.ome_set import SetImage, images_of
from models_store.image_files.tiff_sets.planes import SetPlanes

_MAX_INDEX_BYTES = 2**30


@dataclass(frozen=True)
class Candidate:
    """An image of a set: what lists tell of it, and how its header and planes are read."""

    entry: SeriesEntry
    header: Callable[[], ImageHeader]
    planes: Callable[[ImageHeader], PlaneSource]


@dataclass(frozen=True)
class Candidates:
    """All images of a set, and what to know of its files."""

    images: list[Candidate]
    warnings: tuple[str, ...] = ()


def candidates_in(files: NamedFiles, limits: ImageLimits, stack: ExitStack) -> Candidates:
    """Return the images of a set; files that are opened are closed with the stack."""
    found = _found(files, limits, stack)
    others = told_of_others(files_read_alone(files), "TIFF files")
    return replace(found, warnings=(*found.warnings, *others))


def _found(files: NamedFiles, limits: ImageLimits, stack: ExitStack) -> Candidates:
    indices = index_names(files.names)
    if indices:
        return _of_ndtiff(files, indices, limits, stack)
    members = Members(files, limits.planes)
    stack.callback(members.close)
    documents = read_documents(members)
    return _of_ome(documents, members, limits) if documents.described else _without_metadata(members, limits)


def _without_metadata(members: Members, limits: ImageLimits) -> Candidates:
    names = tiff_names(members.files.names)
    if len(names) == 1:
        alone = members[names[0]]
        with naming(names[0]):
            image = read_image(alone.tiff, alone.chain, limits)

        def planes(told: ImageHeader) -> TiffPlanes:
            return TiffPlanes(alone.tiff, replace(image, header=told), in_archive=True)

        return Candidates([_candidate(image.header, planes)])
    ordered, numbers = page_series.numbered_names(names)
    page_series.require_single_pages(members.files, ordered)
    header = page_series.header_of(members, ordered, numbers, limits)
    places = [Place(name, 0) for name in ordered]
    result = partial(page_series.result_format, header)
    return Candidates([_candidate(header, lambda told: SetPlanes(told, members, places, limits, result))])


def _candidate(header: ImageHeader, planes: Callable[[ImageHeader], PlaneSource]) -> Candidate:
    entry = SeriesEntry(index=0, name="", axes=header.axes, shape=header.shape)
    return Candidate(entry, lambda: header, planes)


def _of_ome(documents: Documents, members: Members, limits: ImageLimits) -> Candidates:
    def candidate(number: int, image: SetImage) -> Candidate:
        axes, leading = grid_of(image.ome.axes, image.ome.coordinates)
        shape = (*leading, *image.size_yx)
        return Candidate(
            SeriesEntry(index=number, name=image.name, axes=axes + "YX", shape=shape),
            partial(ome_header.header_of, image, members, limits),
            lambda header: SetPlanes(
                header, members, image.places, limits, partial(ome_header.result_format, image, header)
            ),
        )

    images = images_of(documents, members, limits.planes)
    told: tuple[str, ...] = ()
    if documents.left_out:
        verb = "is left out: it is" if len(documents.left_out) == 1 else "are left out: they are"
        told = (
            f"{listed(documents.left_out)} {verb} no part of an image that the metadata of the set describes",
        )
    return Candidates([candidate(*each) for each in enumerate(images)], told)


def _of_ndtiff(files: NamedFiles, indices: list[str], limits: ImageLimits, stack: ExitStack) -> Candidates:
    images: list[tuple[NdtiffImage, NdtiffFolder]] = []
    warnings = []
    others = set(tiff_names(files.names))
    for index in indices:
        folder = NdtiffFolder(files, index)
        stack.callback(folder.close)
        with files.open(index) as stream:
            # `read` allocates as much as it is asked for, however short the index is.
            size_bytes = stream.seek(0, SEEK_END)
            stream.seek(0)
            content = stream.read(min(size_bytes, _MAX_INDEX_BYTES))
        read = read_index(content, limits.planes)
        named = list(dict.fromkeys(plane.file for plane in read.planes))
        missing = [file for file in named if not folder.has(file)]
        others -= {str(PurePosixPath(index).parent / file) for file in named}
        if len(missing) == len(named):
            raise ImageCorruptError(
                f"no file of the NDTiff is there: its index tells of {listed(missing)}; add them"
            )
        held = [plane for plane in read.planes if folder.has(plane.file)]
        if missing:
            warnings.append(
                f"the set lacks {listed(missing)}; {len(held)} of {len(read.planes)} planes are read"
            )
        if read.cut:
            warnings.append("the NDTiff index ends within an entry; the planes before it are read")
        if more := folder.planes_left_out(held):
            warnings.append(
                f"the files have room for {more} more planes behind those that the NDTiff index names; if "
                "it was cut, copy it again"
            )
        if not folder.has_summary(held[0].file):
            warnings.append(
                f"the settings of the acquisition in {listed([held[0].file])} cannot be read, so that names "
                "of channels and other metadata may be missing; copy the file again"
            )
        known = folder.summary(held[0].file).get("ChNames")
        names = [str(name) for name in known] if isinstance(known, list) else []
        images += [(image, folder) for image in images_in(index, held, names)]

    def candidate(number: int, image: NdtiffImage, folder: NdtiffFolder) -> Candidate:
        shape = (*image.shape, *image.size_yx)
        return Candidate(
            SeriesEntry(index=number, name=image.name, axes=image.axes + "YX", shape=shape),
            partial(ndtiff_header.header_of, image, folder, limits),
            lambda header: NdtiffPlanes(header, image, folder),
        )

    warnings += told_of_others(others, "NDTiff")
    return Candidates([candidate(number, *each) for number, each in enumerate(images)], tuple(warnings))
