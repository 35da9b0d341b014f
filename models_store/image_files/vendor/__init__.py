"""Files of microscopes' vendors, read through openreadout; no other package imports it.

vendor_file.py   opening from a descriptor, integrity, and errors in the project's terms
compound_file.py whether a compound file (OIB) was cut
layout.py        planes of an image: leading axes, and what the rows of a plane lie along
header.py        header of an image, with its limits and warnings
series.py        choice of one of several images in a file
acquisition.py   settings of detectors, colours and times; *_settings.py: those of each format
plane_metadata.py  times, exposures and positions of planes
present_planes.py  sizes of images of which planes are missing; stored_planes.py: which are there
planes.py        planes by index
result_format.py metadata of a result
"""
