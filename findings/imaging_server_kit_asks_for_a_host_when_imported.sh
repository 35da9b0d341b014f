#!/usr/bin/env bash
# Guess: importing imaging-server-kit contacts nobody; only its client does, and only the server that it is given.
# Behaviour: the import looks up gitlab.com, where scikit-image keeps the sample image that one of the demos is made of.
# Versions: imaging-server-kit 0.3.1.
# Date: 2026-11-30.
# Why it matters here: microscope networks have no internet access. The algorithm for napari and QuPath imports it with that step left out.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imaging-server-kit==0.3.1 2>/dev/null

cat > "$folder/ask.py" <<'PYTHON'
import contextlib
import os
import socket

asked = []


def refuse(host, *_, **__):
    asked.append(host)
    raise socket.gaierror("there is no network here")


socket.getaddrinfo = refuse
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
    try:
        import imaging_server_kit
    except Exception:
        pass
print("hosts asked for:", *dict.fromkeys(asked))
PYTHON

output=$(cd "$folder" && env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY -u ALL_PROXY -u all_proxy HOME="$folder" XDG_CACHE_HOME="$folder/cache" "$folder/venv/bin/python" "$folder/ask.py")
echo "$output"
[ "$output" = "hosts asked for: gitlab.com" ] || { echo "the behaviour has changed" >&2; exit 1; }
