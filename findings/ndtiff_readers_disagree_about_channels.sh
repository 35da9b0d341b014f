#!/usr/bin/env bash
# Guess: the channels of an NDTiff folder are in the order of acquisition, or of ChNames in its summary, whatever reads it.
# Behaviour: the array of ndstorage, Micro-Manager's own reader, has them in the order of the alphabet, tifffile's in the order of
#   acquisition and without names. Neither asks ChNames. So the same index along C is another dye.
# Versions: ndstorage 0.1.18, tifffile 2026.3.3, numpy 2.4.6.
# Date: 2026-11-29.
# Why it matters here: a noise model belongs to a channel. Channels of a folder are told apart by their names; their order is that of
#   ChNames, else of acquisition, and results carry the names.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ndstorage==0.1.18 tifffile==2026.3.3 numpy==2.4.6 2>/dev/null

cat > "$folder/read.py" <<'PYTHON'
import contextlib
import io
import json
import pathlib
import struct
import sys

import numpy as np
import tifffile
from ndstorage import Dataset

ACQUIRED = ["FITC", "Cy5", "DAPI"]
SIDE = 16
summary = json.dumps({"ChNames": ["DAPI", "FITC", "Cy5"]}).encode()
first_ifd = 28 + len(summary)
pixels = first_ifd + 2 + 10 * 12 + 4
tags = {256: SIDE, 257: SIDE, 258: 16, 259: 1, 262: 1, 273: pixels + 6, 277: 1, 278: SIDE, 279: 2 * SIDE**2}
content = bytearray(b"II*\0" + struct.pack("<6I", first_ifd, 483_729, 3, 3, 2_355_492, len(summary)) + summary)
content += struct.pack("<H", len(tags) + 1) + b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in tags.items())
content += struct.pack("<HHII", 51123, 2, 6, pixels) + bytes(4) + b'{"":1}'
index = b""
for number in range(2 * len(ACQUIRED)):
    axes = json.dumps({"time": number // 3, "channel": ACQUIRED[number % 3]}).encode()
    offset = len(content)
    content += np.full((SIDE, SIDE), number % 3, "<u2").tobytes()
    for text in (axes, b"run_NDTiffStack.tif"):
        index += struct.pack("<I", len(text)) + text
    index += struct.pack("<8I", offset, SIDE, SIDE, 1, 0, len(content), 2, 0)
    content += b"{}"
folder = pathlib.Path(sys.argv[1])
folder.mkdir()
(folder / "run_NDTiffStack.tif").write_bytes(content)
(folder / "NDTiff.index").write_bytes(index)

with contextlib.redirect_stdout(io.StringIO()):
    opened = Dataset(str(folder))
    array = np.asarray(opened.as_array(axes=["time", "channel"]))
print("ChNames:  ", json.loads(summary)["ChNames"])
print("ndstorage:", [ACQUIRED[value] for value in array[0, :, 0, 0]])
with tifffile.TiffFile(folder / "run_NDTiffStack.tif") as tiff:
    print("tifffile: ", [ACQUIRED[value] for value in tiff.asarray()[0, :, 0, 0]])
PYTHON

output=$("$folder/venv/bin/python" "$folder/read.py" "$folder/run")
echo "$output"
[ "$output" = "ChNames:   ['DAPI', 'FITC', 'Cy5']
ndstorage: ['Cy5', 'DAPI', 'FITC']
tifffile:  ['FITC', 'Cy5', 'DAPI']" ] || { echo "the behaviour has changed" >&2; exit 1; }
