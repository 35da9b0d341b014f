#!/usr/bin/env bash
# Guess: tifffile reads a file that is already in memory, or open, without a look at the file system.
# Behaviour: since its releases for Python 3.12, it resolves the folder of an OME-TIFF, and for a stream without a name
#   that is the working directory. Plain and ImageJ files are read without. If the working directory is gone, or a
#   sandbox forbids to ask for it, the series of a sound OME file cannot be read.
# Versions: tifffile 2026.11.8, numpy 2.5.5, Python 3.12 or newer. tifffile 2026.3.3 (Python 3.11) does not ask.
# Date: 2026-11-28.
# Why it matters here: image files are read in processes that seccomp denies the file system; there every OME file was
#   refused as broken. The reader names its stream after a folder that cannot exist.
set -euo pipefail
python=""
for candidate in ${PYTHON:-} python3.14 python3.13 python3.12 "$HOME"/.pyenv/versions/3.1[2-9].*/bin/python3; do
    if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || { echo "needs Python 3.12 or newer; PYTHON=path names it" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tifffile==2026.11.8 numpy==2.5.5 2>/dev/null

cat > "$folder/read.py" <<'PYTHON'
import io
import os
import tempfile

import numpy as np
import tifffile

asked = []
real_getcwd = os.getcwd


def getcwd():
    asked.append(True)
    return real_getcwd()


os.getcwd = getcwd
for kind, options in {"plain": {}, "imagej": {"imagej": True}, "ome": {"ome": True}}.items():
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((2, 8, 8), np.uint16), photometric="minisblack", **options)
    asked.clear()
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as tiff:
        shape = tiff.series[0].shape
    print(kind, shape, "asks for the working directory" if asked else "asks for nothing")

gone = tempfile.mkdtemp()
os.chdir(gone)
os.rmdir(gone)
try:
    with tifffile.TiffFile(io.BytesIO(stream.getvalue())) as tiff:
        print("ome, working directory gone:", tiff.series[0].shape)
except OSError as error:
    print("ome, working directory gone:", type(error).__name__)
PYTHON

output=$("$folder/venv/bin/python" "$folder/read.py")
echo "$output"
[ "$output" = "plain (2, 8, 8) asks for nothing
imagej (2, 8, 8) asks for nothing
ome (2, 8, 8) asks for the working directory
ome, working directory gone: FileNotFoundError" ] || { echo "the behaviour has changed" >&2; exit 1; }
