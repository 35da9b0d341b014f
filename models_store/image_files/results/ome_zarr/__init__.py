"""Writer of OME-Zarr 0.5: Zarr 3 with shards of a few planes, and a pyramid of means.

hierarchy.py  the folder: arrays and metadata, written plane by plane
layout.py     axes of the image, and where its planes belong
levels.py     sizes and pixels of the pyramid
metadata.py   multiscales and omero, as JSON
archive.py    the folder in one ZIP file (.ozx)
"""
