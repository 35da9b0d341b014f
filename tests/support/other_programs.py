"""Read an image as another program does, and write what it found as JSON: `other_programs.py PROGRAM PATH`.

It runs in an environment of those programs, whose packages contradict ours, and imports nothing of ours.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any


def bioio(path: str) -> dict[str, Any]:
    from bioio import BioImage  # noqa: PLC0415

    image = BioImage(path)
    scale = image.scale
    return {
        "axes": image.dims.order,
        "shape": list(image.shape),
        "dtype": image.dtype.name,
        "step_um": [scale.Z, scale.Y, scale.X],
        "interval_s": getattr(scale.T, "total_seconds", lambda: scale.T)(),
        "channels": list(image.channel_names),
        "sha256": hashlib.sha256(image.data.tobytes()).hexdigest(),
    }


def simpleitk(path: str) -> dict[str, Any]:
    import SimpleITK  # noqa: PLC0415

    pages = SimpleITK.ReadImage(path)
    array = SimpleITK.GetArrayFromImage(pages)
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
    }


def schema(path: str) -> dict[str, Any]:
    """Check OME-XML, in a TIFF file or on its own, against the schema that ome-types ships."""
    import ome_types  # noqa: PLC0415
    import tifffile  # noqa: PLC0415
    import xmlschema  # noqa: PLC0415

    if path.endswith(".xml"):
        xml = Path(path).read_text(encoding="utf-8")
    else:
        with tifffile.TiffFile(path) as tiff:
            xml = tiff.pages.first.description
    definition = xmlschema.XMLSchema(Path(ome_types.__file__).with_name("ome-2016-06.xsd"))
    return {"errors": [f"{each.path}: {each.reason}" for each in definition.iter_errors(xml)]}


if __name__ == "__main__":
    read = {"bioio": bioio, "schema": schema, "simpleitk": simpleitk}[sys.argv[1]]
    sys.stdout.write(json.dumps(read(sys.argv[2])))
