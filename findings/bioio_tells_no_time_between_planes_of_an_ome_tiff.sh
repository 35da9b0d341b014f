#!/usr/bin/env bash
# Guess: bioio, which reads all formats into one form, tells the same time between planes of an OME-TIFF and of an OME-Zarr
#   that both say 2.5 s.
# Behaviour: of the OME-Zarr `BioImage.scale.T` is 2.5 s. Of the OME-TIFF it is None, as is `time_interval`: its plugin
#   leaves TimeIncrement unread. tifffile and ome-types find it in the same file.
# Versions: bioio 3.6.0, bioio-ome-tiff 1.4.0, bioio-ome-zarr 3.8.1, ome-types 0.7.0, tifffile 2026.3.3, zarr 3.1.6,
#   numpy 2.4.6.
# Date: 2026-11-30.
# Why it matters here: results are OME-TIFF or OME-Zarr, and programs built on bioio show a movie
#   without its times if it is the former. The attribute is written all the same, for those who read it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet bioio==3.6.0 bioio-ome-tiff==1.4.0 bioio-ome-zarr==3.8.1 ome-types==0.7.0 \
  tifffile==2026.3.3 zarr==3.1.6 numpy==2.4.6 2>/dev/null

cat > "$folder/read.py" <<'PYTHON'
import sys
import warnings

import numpy as np
import ome_types
import tifffile
import zarr
from bioio import BioImage

warnings.simplefilter("ignore")
folder = sys.argv[1]
movie = np.zeros((3, 16, 16), np.uint16)
tiff, ome_zarr = f"{folder}/movie.ome.tif", f"{folder}/movie.ome.zarr"
told = {"axes": "TYX", "TimeIncrement": 2.5, "TimeIncrementUnit": "s", "PhysicalSizeX": 0.1, "PhysicalSizeY": 0.1}
tifffile.imwrite(tiff, movie, ome=True, metadata=told)

axes = [{"name": "t", "type": "time", "unit": "second"}]
axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
scaled = [{"type": "scale", "scale": [2.5, 0.1, 0.1]}]
image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scaled}]}
group = zarr.open_group(ome_zarr, mode="w", attributes={"ome": {"version": "0.5", "multiscales": [image]}})
group.create_array("0", data=movie, chunks=(1, 16, 16))


def seconds(time):
    return time.total_seconds() if hasattr(time, "total_seconds") else time


pixels = ome_types.from_tiff(tiff).images[0].pixels
with tifffile.TiffFile(tiff) as file:
    attributes = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
print("tifffile, OME-TIFF:", attributes["TimeIncrement"])
print("ome-types, OME-TIFF:", pixels.time_increment)
for path in (tiff, ome_zarr):
    opened = BioImage(path)
    print(f"bioio, {path.rpartition('movie')[2]}:", seconds(opened.scale.T), seconds(opened.time_interval), opened.scale.X)
PYTHON

output=$("$folder/venv/bin/python" "$folder/read.py" "$folder" 2>/dev/null)
echo "$output"
[ "$output" = "tifffile, OME-TIFF: 2.5
ome-types, OME-TIFF: 2.5
bioio, .ome.tif: None None 0.1
bioio, .ome.zarr: 2.5 2.5 0.1" ] || { echo "the behaviour has changed" >&2; exit 1; }
