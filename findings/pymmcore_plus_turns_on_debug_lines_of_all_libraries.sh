#!/usr/bin/env bash
# Guess: importing a library leaves the logging of the program as it is. An acquisition script that shows warnings with
#   `logging.basicConfig(level=logging.WARNING)` goes on showing warnings alone when it imports pymmcore-plus.
# Behaviour: the import sets the level of the root logger to DEBUG. The script then shows the DEBUG and INFO lines of every
#   library that it uses, such as each request of its HTTP client with the whole address. `PYMM_LOG_LEVEL` changes
#   pymmcore-plus's own lines alone; setting the level after the import helps.
# Versions: pymmcore-plus 0.17.3.
# Date: 2026-12-01.
# Why it matters here: scripts that acquire with pymmcore-plus and post frames to a server show, and write to log files,
#   addresses of requests, which may hold tokens. In one test process it makes another test see lines that it does not expect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pymmcore-plus==0.17.3 2>/dev/null
export HOME="$folder" PYMM_LOG_LEVEL=ERROR

"$folder/venv/bin/python" - <<'PYTHON' 2>&1 | tee "$folder/output"
import logging

logging.basicConfig(level=logging.WARNING, format="%(levelname)s of %(name)s: %(message)s")
library = logging.getLogger("an_http_client")
library.info("GET https://server.example/file?token=secret, before the import")
print("before the import, root level:", logging.getLevelName(logging.getLogger().level), flush=True)

import pymmcore_plus  # noqa: E402, F401

print("after the import, root level:", logging.getLevelName(logging.getLogger().level), flush=True)
library.info("GET https://server.example/file?token=secret, after the import")
logging.getLogger().setLevel(logging.WARNING)
library.info("GET https://server.example/file?token=secret, after the level was set again")
PYTHON

diff <(cat <<'EXPECTED'
before the import, root level: WARNING
after the import, root level: DEBUG
INFO of an_http_client: GET https://server.example/file?token=secret, after the import
EXPECTED
) <(grep -v "pymmcore" "$folder/output") && echo "As described."
