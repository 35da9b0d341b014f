#!/usr/bin/env bash
# Guess: a reader returns the values that ImageJ shows. ImageJ has no signed 16-bit type in its files, so the readers of
#   Python's imaging libraries undo what ImageJ does when it saves such an image.
# Behaviour: ImageJ stores value + 32768 as unsigned numbers and writes the shift as a calibration (c0=-32768, c1=1) into
#   the description. tifffile, imageio and Pillow return the stored numbers, without a warning: -8 becomes 32760.
#   tifffile parses the calibration (`imagej_metadata`), but does not apply it.
# Versions: tifffile 2026.3.3, imageio 2.38.1, pillow 13.0.0, numpy 2.4.6.
# Date: 2026-11-29.
# Why it matters here: differences and ratios of channels, and background-subtracted images, are saved like this. Their
#   signals were 32768 too high, and photon noise that grows with the signal made no sense. The reader shifts them back.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tifffile==2026.3.3 imageio==2.38.1 pillow==13.0.0 numpy==2.4.6 2>/dev/null

cat > "$folder/read.py" <<'PYTHON'
import sys
import warnings

import imageio.v3 as imageio
import numpy as np
import tifffile
from PIL import Image

warnings.simplefilter("error")
path = sys.argv[1] + "/signed.tif"
shown = np.arange(-8, 248, dtype=np.int16).reshape(16, 16)
stored = (shown.astype(np.int32) + 32768).astype(np.uint16)
description = "ImageJ=1.54f\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
tifffile.imwrite(path, stored, photometric="minisblack", metadata=None, description=description)
print("ImageJ shows", shown.min(), "to", shown.max())
for name, image in {
    "tifffile": tifffile.imread(path),
    "imageio": imageio.imread(path),
    "Pillow": np.asarray(Image.open(path)),
}.items():
    print(name, "returns", image.min(), "to", image.max(), image.dtype)
with tifffile.TiffFile(path) as tiff:
    metadata = tiff.imagej_metadata
    print("tifffile parses", {name: metadata[name] for name in ("c0", "c1")})
PYTHON

output=$("$folder/venv/bin/python" "$folder/read.py" "$folder")
echo "$output"
[ "$output" = "ImageJ shows -8 to 247
tifffile returns 32760 to 33015 uint16
imageio returns 32760 to 33015 uint16
Pillow returns 32760 to 33015 uint16
tifffile parses {'c0': -32768.0, 'c1': 1.0}" ] || { echo "the behaviour has changed" >&2; exit 1; }
