"""TIFF files as microscopes' programs write them, and copies of them as results."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from models_store.image_files.header import ImageHeader
from models_store.image_files.tiff.reader import open_planes
from models_store.image_files.tiff.writer import OutputType, write_planes

OME_2016 = "http://www.openmicroscopy.org/Schemas/OME/2016-06"


def noise(*shape: int, dtype: str = "uint16", seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(100, 200, shape).astype(dtype)


def write_pages(
    path: Path, planes: Iterable[NDArray[Any]], description: str | None = None, **options: Any
) -> Path:
    """Write one page for each plane; only the first has the description."""
    with tifffile.TiffWriter(path, byteorder=options.pop("byteorder", None)) as tiff:
        for number, plane_yx in enumerate(planes):
            text = description.encode("latin-1") if description and number == 0 else None
            options.setdefault("photometric", "minisblack")
            tiff.write(plane_yx, description=text, metadata=None, contiguous=False, **options)
    return path


def write_imagej(path: Path, planes: Iterable[NDArray[Any]], entries: Sequence[str], **options: Any) -> Path:
    """Write what ImageJ writes; `entries` are the lines of its description."""
    return write_pages(path, planes, "\n".join(["ImageJ=1.54f", *entries, ""]), byteorder=">", **options)


def ome_image(number: int, sizes: dict[str, int], content: str = "<TiffData/>", **attributes: str) -> str:
    """Return an Image element of 32 x 40 pixels; `sizes` of T, Z and C."""
    zct = {"Z": 1, "C": 1, "T": 1} | sizes
    size = " ".join(f'Size{axis}="{length}"' for axis, length in zct.items())
    more = " ".join(f'{name}="{value}"' for name, value in attributes.items())
    pixels = f'<Pixels ID="Pixels:{number}" DimensionOrder="XYZCT" Type="uint16" SizeX="40" SizeY="32"'
    return (
        f'<Image ID="Image:{number}" Name="well {number}">{pixels} {size} {more}>{content}</Pixels></Image>'
    )


def ome_document(*images: str, uuid: str = "") -> str:
    own = f' UUID="{uuid}"' if uuid else ""
    return f'<OME xmlns="{OME_2016}"{own}>{"".join(images)}</OME>'


@dataclass(frozen=True)
class Copied:
    """A file, and its copy as a result."""

    header: ImageHeader
    pixels: NDArray[Any]
    """Planes of the source, one after the other."""
    result: Path


def copied(source: Path, dtype: OutputType = "float32") -> Copied:
    """Copy a file as a result that is as noisy; check that its planes and their size can be read again."""
    result = source.with_name("result.tif")
    with open_planes(source) as planes:
        header, pixels = planes.header, np.stack(list(planes))
        write_planes(result, (plane_yx.astype("float32") for plane_yx in pixels), like=planes, dtype=dtype)
    with open_planes(result) as again:
        np.testing.assert_array_equal(np.stack(list(again)).astype("float32"), pixels.astype("float32"))
        kept = {"axes", "shape", "pixel_size_um", "channel_names", "white_is_zero"}
        assert again.header.model_dump(include=kept) == header.model_dump(include=kept)
    return Copied(header, pixels, result)


def camera_file(
    path: Path,
    *gains: str,
    serial: str = "0042",
    model: str = "ORCA  Flash",
    stand: str | None = None,
    reverse: bool = False,
) -> Path:
    """Write an OME-TIFF with a channel for each gain, recorded by one camera of a microscope (`stand`)."""
    attributes = [f'SerialNumber="{serial}"', f'Model="{model}"', 'Manufacturer="Hamamatsu"']
    own = " ".join(reversed(attributes) if reverse else attributes)
    microscope = f'<Microscope Manufacturer="Nikon" Model="{stand}"/>' if stand else ""
    detector = f'<Detector ID="Detector:0" {own}/>'
    instrument = f'<Instrument ID="Instrument:0">{microscope}{detector}</Instrument>'
    channels = "".join(
        f'<Channel ID="Channel:0:{at}" Name="dye {at}"><DetectorSettings ID="Detector:0" Gain="{gain}" '
        f'Binning="{"2x2" if reverse else "2,2"}"/></Channel>'
        for at, gain in enumerate(gains)
    )
    sizes = {"C": len(gains)} if len(gains) > 1 else {}
    xml = ome_document(instrument, ome_image(0, sizes, channels + "<TiffData/>"))
    return write_pages(path, noise(len(gains), 32, 40), xml)
