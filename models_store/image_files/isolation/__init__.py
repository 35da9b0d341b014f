"""Sandbox for untrusted image files: reading processes without secrets, network or file system access.

client.py    client of a reading process: passes open files, requests headers and planes
launch.py    starts the fork server and restarts it if it dies
server.py    fork server; forks a reading process for each connection
sources.py   what the client reads for a reading process that asks for it: files of a folder, ranges of a blob
reading.py   request loop of a reading process
requested_files.py   the reading process's side of a folder: asks the client for its files
requested_ranges.py  the reading process's side of a remote file: asks the client for ranges
ranged_stream.py     a stream of such a file, which asks for few ranges by reading ahead
directory_strides.py  where the directories of further planes may be, which it reads ahead
lockdown.py  resource limits and seccomp filter, applied before the first byte of a file is read
wire.py      messages between client and reading process, without pickle
"""
