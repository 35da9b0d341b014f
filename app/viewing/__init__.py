"""Pictures of planes: what a page shows of images and results of any size.

desk.py         what a page asks of a layer: tiles, ranges, profiles
documents.py    axes, sizes and channels of planes, their levels and tiles
planes_in_memory.py  planes that are read once, behind limits, and kept for a while
reading.py      planes from files, read in isolation
layers.py       what is looked at: an image, a result, or the noise that a result removed
kept_planes.py  planes in memory, up to a number of bytes
drawing.py      tiles as PNG
ranges.py       the range of a plane's values
profiles.py     values along a line
pyramids.py     a plane and its levels, in tiles
rooms.py        where pixels lie: in memory, or in files that are mapped into it
zarr_store.py   planes as files of an OME-Zarr, made on request
viewer_links.py links and commands that open an OME-Zarr in other programs
"""
