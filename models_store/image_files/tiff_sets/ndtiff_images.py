"""Images of an NDTiff folder: one for each position, with planes along T, C and Z."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import PurePosixPath

from models_store.image_files.printable_text import printable
from models_store.image_files.sets.kind import is_ndtiff_index
from models_store.image_files.tiff.plane_grid import grid_of
from models_store.image_files.tiff_sets.ndtiff_index import Coordinate, IndexedPlane

_LETTERS = {"time": "T", "channel": "C", "z": "Z"}
_PLACES = ("position", "row", "column")
_LEADING = "TCZ"
_SMALLER = re.compile(r"Downsampled_x\d+")


@dataclass(frozen=True)
class NdtiffImage:
    """Planes of one position and one kind of pixels, sorted by their coordinates.

    `axes` and `shape` are the leading ones, `told` is the number of planes that the coordinates span;
    `channels` are the coordinates along C, in order, and `channel_of` has the index in it of each plane.
    """

    index: str
    name: str
    axes: str
    shape: tuple[int, ...]
    planes: tuple[IndexedPlane, ...]
    told: int
    channels: tuple[Coordinate, ...]
    channel_of: tuple[int, ...]

    @property
    def size_yx(self) -> tuple[int, int]:
        return self.planes[0].height_px, self.planes[0].width_px

    def first_of_channel(self, channel: int) -> IndexedPlane:
        return self.planes[self.channel_of.index(channel)]


def index_names(names: Iterable[str]) -> list[str]:
    """Return the index files of a set, without those of smaller copies."""
    indices = sorted(filter(is_ndtiff_index, names))
    return [name for name in indices if not _SMALLER.fullmatch(PurePosixPath(name).parent.name)]


def images_in(index: str, planes: Iterable[IndexedPlane], channel_names: Sequence[str]) -> list[NdtiffImage]:
    """Return the images of a folder; `channel_names` tell the order of channels, as far as they are known.

    Positions (also rows and columns of tiles) are images of their own, as are planes of other pixels or axes.
    Axes other than time, channel and z become I.
    """
    groups: dict[tuple[object, ...], list[IndexedPlane]] = {}
    for plane in planes:
        place = tuple((name, plane.axes.get(name)) for name in _PLACES)
        kind = (plane.height_px, plane.width_px, plane.dtype, tuple(plane.axes))
        groups.setdefault((place, kind), []).append(plane)
    found = [_image(index, group, channel_names) for group in groups.values()]
    return sorted(found, key=lambda image: [_rank(image.planes[0].axes.get(name, 0)) for name in _PLACES])


def _image(index: str, planes: list[IndexedPlane], channel_names: Sequence[str]) -> NdtiffImage:
    names = planes[0].axes
    others = [name for name in names if name not in _LETTERS and name not in _PLACES]
    letters = "I" * bool(others) + _LEADING
    numbers = {
        name: _numbered((plane.axes[name] for plane in planes), channel_names if name == "channel" else ())
        for name in _LETTERS
        if name in names
    }
    further = {value: at for at, value in enumerate(sorted({_further(plane, others) for plane in planes}))}

    def coordinates(plane: IndexedPlane) -> tuple[int, ...]:
        along = {_LETTERS[name]: number[plane.axes[name]] for name, number in numbers.items()}
        along["I"] = further[_further(plane, others)]
        return tuple(along.get(letter, 0) for letter in letters)

    placed = sorted(((coordinates(plane), plane) for plane in planes), key=lambda each: each[0])
    axes, shape = grid_of(letters, [at for at, _ in placed])
    channel = letters.index("C")
    return NdtiffImage(
        index=index,
        name=_name(index, names),
        axes=axes,
        shape=shape,
        planes=tuple(plane for _, plane in placed),
        told=len(further) * prod(map(len, numbers.values())),
        channels=tuple(numbers.get("channel", ())),
        channel_of=tuple(at[channel] for at, _ in placed),
    )


def _numbered(values: Iterable[Coordinate], known: Sequence[str]) -> dict[Coordinate, int]:
    """Number coordinates: integers by size, then names in the order of `known`, others as acquired."""
    distinct = list(dict.fromkeys(values))
    numbers = sorted(value for value in distinct if isinstance(value, int))
    texts = [value for value in distinct if isinstance(value, str)]
    texts.sort(key=lambda text: known.index(text) if text in known else len(known))
    ordered: list[Coordinate] = [*numbers, *texts]
    return {value: number for number, value in enumerate(ordered)}


def _further(plane: IndexedPlane, names: Sequence[str]) -> tuple[tuple[int, int, str], ...]:
    return tuple(_rank(plane.axes[name]) for name in names)


def _rank(value: Coordinate) -> tuple[int, int, str]:
    """Return a key that sorts numbers before names."""
    return (0, value, "") if isinstance(value, int) else (1, 0, value)


def _name(index: str, axes: dict[str, Coordinate]) -> str:
    place = ", ".join(
        str(axes[name]) if isinstance(axes[name], str) else f"{name} {axes[name]}"
        for name in _PLACES
        if name in axes
    )
    folder = PurePosixPath(index).parent.name
    return printable(" ".join(filter(None, (folder, place))))
