"""SIF files of Andor's Solis: lines of text, then frames of 32-bit floats.

layout.py    size and number of the frames, and where they begin
settings.py  settings of the camera
planes.py    header and planes
"""
