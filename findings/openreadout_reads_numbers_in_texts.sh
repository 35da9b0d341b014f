#!/usr/bin/env bash
# Guess: openreadout's `vendor`, "the vendor's own metadata tree converted to JSON, with names untouched", holds the texts of the XML.
# Behaviour: what looks like a number becomes one, whatever it means: the serial number 12E4 is 120000, the name 1E5 is 100000.
#   Integers that begin with a zero stay texts, 0012.50 does not. `info` keeps texts.
# Versions: openreadout 0.4.0, numpy 2.4.6.
# Date: 2026-11-29.
# Why it matters here: cameras are told apart by their serial numbers. They are read from the XML itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openreadout==0.4.0 numpy==2.4.6 2>/dev/null

cat > "$folder/read.py" <<'PYTHON'
import io
import struct

import openreadout

xml = """<LMSDataContainerHeader Version="2"><Element Name="1E5" Serial="12E4"><Data><Image><ImageDescription>
<Channels><ChannelDescription DataType="0" Resolution="8" LUTName="Gray" BytesInc="0"/></Channels><Dimensions>
<DimensionDescription DimID="1" NumberOfElements="2" Length="1" Unit="m" BytesInc="1"/>
<DimensionDescription DimID="2" NumberOfElements="2" Length="1" Unit="m" BytesInc="2"/>
</Dimensions></ImageDescription></Image></Data><Memory Size="4" MemoryBlockID="M"/></Element></LMSDataContainerHeader>"""


def text(content):
    return b"\x2a" + struct.pack("<i", len(content)) + content.encode("utf-16-le")


def part(content):
    return struct.pack("<ii", 0x70, len(content)) + content


lif = part(text(xml)) + part(b"\x2a" + struct.pack("<q", 4) + text("M")) + bytes(4)
with openreadout.File(io.BytesIO(lif), name="a.lif") as file:
    element = file.vendor["LMSDataContainerHeader"]["Element"]
    print("vendor:", repr(element["@Name"]), repr(element["@Serial"]))
    print("info:", repr(file.images[0]["name"]))
PYTHON

output=$("$folder/venv/bin/python" "$folder/read.py")
echo "$output"
[ "$output" = "vendor: 100000.0 120000.0
info: '1E5'" ] || { echo "the behaviour has changed" >&2; exit 1; }
