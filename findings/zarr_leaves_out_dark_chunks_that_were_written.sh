#!/usr/bin/env bash
# Guess: an array that was written as a whole has all its chunks, so one that is missing was never written.
# Behaviour: zarr-python 3 leaves out chunks in which every pixel has the fill value, 0 unless told otherwise. A plane of a dark camera that was
#   written is not there afterwards. With write_empty_chunks it is.
# Versions: zarr 3.1.6, numpy 2.4.6.
# Date: 2026-11-29.
# Why it matters here: chunks that were never written are missing pixels, not dark ones. Results are written with write_empty_chunks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet zarr==3.1.6 numpy==2.4.6 2>/dev/null

cat > "$folder/write.py" <<'PYTHON'
import numpy as np
import zarr

planes = np.array([1, 0, 2], np.uint16).repeat(16).reshape(3, 4, 4)  # the one in the middle is dark
for name, config in (("by default", {}), ("write_empty_chunks", {"write_empty_chunks": True})):
    store = zarr.storage.MemoryStore()
    array = zarr.create_array(store, shape=planes.shape, chunks=(1, 4, 4), dtype=planes.dtype, config=config)
    array[...] = planes
    print(f"{name}: {array.nchunks_initialized} of {array.nchunks} chunks")
PYTHON

observed=$("$folder/venv/bin/python" "$folder/write.py")
echo "$observed"
grep -q "^by default: 2 of 3 chunks$" <<< "$observed"
grep -q "^write_empty_chunks: 3 of 3 chunks$" <<< "$observed"
