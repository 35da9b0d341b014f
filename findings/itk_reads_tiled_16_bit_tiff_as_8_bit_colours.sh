#!/usr/bin/env bash
# Guess: a reader either decodes the tiles of a TIFF or refuses them; the values of a grey image of 16 bits stay.
# Behaviour: ITK (here SimpleITK) reads no tiles. A tiled image of 16 bits comes as 8-bit luminance of colours, with other
#   values and another type, and no error: only a line on stderr. A tiled image of 32 bits is refused as "can not handle images
#   with 32-bit samples", although the same pixels in strips are read. Zstandard is refused, deflate with a predictor is read.
# Versions: SimpleITK 2.5.7, tifffile 2026.3.3, numpy 2.4.6, imagecodecs 2026.3.6, Python 3.11.
# Date: 2026-11-29.
# Why it matters here: tiles for large planes would have been the obvious default. Whoever measures results in ITK, 3D Slicer or
#   elastix would have got grey values a thirtieth as large. Tiles are an option, and its description names ITK.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet SimpleITK==2.5.7 tifffile==2026.3.3 numpy==2.4.6 imagecodecs==2026.3.6 2>/dev/null

cat > "$folder/read.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import SimpleITK
import tifffile

folder = Path(sys.argv[1])
plane = np.random.default_rng(0).integers(1000, 3000, (600, 1300))
for dtype in ("uint16", "float32"):
    for stored in (
        {"compression": None},
        {"compression": "zlib", "predictor": True},
        {"compression": "zstd"},
        {"tile": (512, 512)},
    ):
        path = folder / "image.tif"
        tifffile.imwrite(path, plane.astype(dtype), photometric="minisblack", metadata=None, **stored)
        try:
            read = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        except RuntimeError as error:
            result = "refused: " + str(error).strip().splitlines()[-1].partition("): ")[2]
        else:
            same = read.dtype == dtype and (read == plane).all()
            result = "same values" if same else f"{read.dtype}, mean {read.mean():.0f} instead of {plane.mean():.0f}"
        print(dtype, stored, result)
PYTHON

output=$("$folder/venv/bin/python" "$folder/read.py" "$folder" 2>/dev/null)
echo "$output"
[ "$output" = "uint16 {'compression': None} same values
uint16 {'compression': 'zlib', 'predictor': True} same values
uint16 {'compression': 'zstd'} refused: TIFF CODEC 50000 is not supported.
uint16 {'tile': (512, 512)} uint8, mean 69 instead of 2000
float32 {'compression': None} same values
float32 {'compression': 'zlib', 'predictor': True} same values
float32 {'compression': 'zstd'} refused: TIFF CODEC 50000 is not supported.
float32 {'tile': (512, 512)} refused: Unable to read tiff file: Sorry, can not handle images with 32-bit samples" ] ||
    { echo "the behaviour has changed" >&2; exit 1; }
