"""Sets of files that make up images, and archives of them."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import numpy as np
import tifffile
from numpy.typing import NDArray

OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
COMPANION = "set.companion.ome"

Files = dict[str, bytes]


def files_in(folder: Path) -> Files:
    """Return the contents of a folder's files by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def zipped(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """Pack files into an archive, in this order."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def unpacked(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files into a new folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def noisy(*shape: int) -> NDArray[np.uint16]:
    """Return an image of waves with the noise of photons."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[: shape[-2], : shape[-1]] / 9
    levels = np.arange(1, 1 + int(np.prod(shape[:-2], dtype=int))).reshape(*shape[:-2], 1, 1)
    pixels: NDArray[np.uint16] = rng.poisson(40 + 10 * levels * (2 + np.sin(y) * np.cos(x))).astype(np.uint16)
    return pixels


def uuid_of(number: int) -> str:
    return f"urn:uuid:{UUID(int=number + 1)}"


def ome_set_xml(
    lengths: Mapping[str, int], names: list[str], uuid: str | None = None, *, images: int = 1
) -> str:
    """Return OME-XML of images (T, C, Z, Y, X) with one file for each plane, C fastest."""
    planes = lengths["T"] * lengths["Z"] * lengths["C"]
    elements = []
    for image in range(images):
        located = "".join(
            f'<TiffData IFD="0" PlaneCount="1" FirstC="{plane % lengths["C"]}" '
            f'FirstZ="{plane // lengths["C"] % lengths["Z"]}" '
            f'FirstT="{plane // lengths["C"] // lengths["Z"]}">'
            f'<UUID FileName="{names[image * planes + plane]}">{uuid_of(image * planes + plane)}</UUID>'
            "</TiffData>"
            for plane in range(planes)
        )
        channels = "".join(
            f'<Channel ID="Channel:{image}:{c}" Name="dye {c}" SamplesPerPixel="1"/>'
            for c in range(lengths["C"])
        )
        sizes = " ".join(f'Size{axis}="{length}"' for axis, length in lengths.items())
        elements.append(
            f'<Image ID="Image:{image}" Name="position {image}"><Pixels ID="Pixels:{image}" '
            f'DimensionOrder="XYCZT" Type="uint16" {sizes} PhysicalSizeX="0.2" PhysicalSizeY="0.2" '
            f'PhysicalSizeZ="0.7">{channels}{located}</Pixels></Image>'
        )
    own = f' UUID="{uuid}"' if uuid else ""
    return f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}"{own}>{"".join(elements)}</OME>'


def ome_set(pixels: NDArray[np.uint16], *, images: int = 1) -> Files:
    """Return a set with a companion file: pixels (image, T, Z, C, Y, X), one file for each plane."""
    *_, t, z, c, y, x = pixels.shape
    planes = pixels.reshape(-1, y, x)
    names = [f"plane_{number}.ome.tif" for number in range(len(planes))]
    xml = ome_set_xml({"X": x, "Y": y, "Z": z, "C": c, "T": t}, names, images=images)
    files = {
        name: ome_member(plane, uuid_of(at))
        for at, (name, plane) in enumerate(zip(names, planes, strict=True))
    }
    return {COMPANION: xml.encode(), **files}


def ome_member(plane_yx: NDArray[np.uint16], uuid: str, metadata_file: str = COMPANION) -> bytes:
    """Return a TIFF whose OME-XML only names the file with the metadata."""
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{OME}" UUID="{uuid}">'
        f'<BinaryOnly MetadataFile="{metadata_file}" UUID="{uuid_of(-1)}"/></OME>'
    )
    return tiff_with(plane_yx, xml)


def tiff_with(plane_yx: NDArray[np.uint16], description: str) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(
        stream, plane_yx, description=description.encode(), metadata=None, photometric="minisblack"
    )
    return stream.getvalue()
