#!/usr/bin/env bash
# Guess: compression tells damage. A plane of a CZI file that is compressed with Zstandard cannot be decoded any more if a
#   bit of it flips, or a checksum does not fit, and the reader raises an error.
# Behaviour: CZI stores no checksum, not even the optional one of Zstandard, and most flipped bits decode: pixels change
#   silently. Where the compressed data can no longer be decoded, openreadout raises an error, but pylibCZIrw, on Zeiss's own
#   library, returns a plane of which thousands of pixels are wrong, without an error or a warning.
# Versions: pylibCZIrw 6.1.0, openreadout 0.4.0, numpy 2.4.6.
# Date: 2026-11-29.
# Why it matters here: files are copied from microscopes over networks and kept for years. Reading without an error does not
#   prove that pixels are as recorded; only a digest that was taken at the microscope does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pylibCZIrw==6.1.0 openreadout==0.4.0 numpy==2.4.6 2>/dev/null

cat > "$folder/read.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import openreadout
from pylibCZIrw import czi

whole, damaged = (Path(sys.argv[1]) / name for name in ("whole.czi", "damaged.czi"))
recorded = (100 + np.random.default_rng(0).poisson(20, (256, 256))).astype(np.uint16)
options = "zstd1:ExplicitLevel=3;PreProcess=HiLoByteUnpack"
with czi.create_czi(str(whole), compression_options=options) as file:
    file.write(data=recorded, plane={"C": 0, "T": 0, "Z": 0})


def by_zeiss(path):
    with czi.open_czi(str(path)) as file:
        return file.read(plane={"C": 0, "T": 0, "Z": 0})[..., 0]


def by_openreadout(path):
    with openreadout.File(path) as file:
        return file.read_plane(0, 0, 0, 0)


readers = {"pylibCZIrw": by_zeiss, "openreadout": by_openreadout}
content = whole.read_bytes()
places = range(2000, len(content) - 2000, 997)
for name, read in readers.items():
    assert np.array_equal(read(whole), recorded)
    errors, wrong = 0, []
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 0x10
        damaged.write_bytes(flipped)
        try:
            wrong.append(int((read(damaged) != recorded).sum()))
        except openreadout.OpenReadoutError:
            errors += 1
    silent = [count for count in wrong if count]
    print(
        f"{name}: of {len(places)} flipped bits {errors} raise an error and {len(silent)} change pixels silently, "
        f"of {recorded.size} pixels at most {max(silent)}"
    )
PYTHON

output=$("$folder/venv/bin/python" "$folder/read.py" "$folder" 2>/dev/null)
echo "$output"
[ "$output" = "pylibCZIrw: of 34 flipped bits 0 raise an error and 34 change pixels silently, of 65536 pixels at most 65517
openreadout: of 34 flipped bits 9 raise an error and 25 change pixels silently, of 65536 pixels at most 7" ] \
    || { echo "the behaviour has changed" >&2; exit 1; }
