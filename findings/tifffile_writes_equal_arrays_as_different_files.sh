#!/usr/bin/env bash
# Guess: tifffile writes the same array with the same metadata as the same bytes, so that a digest tells whether a file was sent before.
# Behaviour: each OME-TIFF has a random UUID in its OME-XML: two files of equal pixels differ in bytes and digest. Plain TIFF files are equal.
# Versions: tifffile 2026.3.3, numpy 2.4.6.
# Date: 2026-11-30.
# Why it matters here: a client that sends an array again after a lost answer must be known by its pixels, not by the digest of the file that
#   it writes; the server refuses an Idempotency-Key that comes with other bytes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tifffile==2026.3.3 numpy==2.4.6 2>/dev/null

cat > "$folder/write.py" <<'PYTHON'
import hashlib
import io

import numpy as np
import tifffile


def digest(**options):
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((4, 4), np.uint16), **options)
    return hashlib.sha256(file.getvalue()).hexdigest()


for name, options in (("TIFF", {"metadata": None}), ("OME-TIFF", {"ome": True})):
    print(name, "equal" if digest(**options) == digest(**options) else "different")
PYTHON

output=$("$folder/venv/bin/python" "$folder/write.py")
echo "$output"
[ "$output" = "TIFF equal
OME-TIFF different" ] || { echo "the behaviour has changed" >&2; exit 1; }
