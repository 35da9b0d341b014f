"""Strangers' image files are read in processes that hold no secret and can reach nothing.

client.py    connects to a reading process, hands it open files, asks for headers and planes
server.py    the process that forks a reading process for each connection
reading.py   what a reading process does
lockdown.py  what it gives up before it reads the first byte of a file
wire.py      the messages between them; nothing is pickled
"""
