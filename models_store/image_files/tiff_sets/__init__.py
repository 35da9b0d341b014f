"""Reader of images that are stored in several TIFF files.

members.py        the files of a set: found by name, opened when they are first read
ome_documents.py  the OME-XML of a set, in a companion file or in TIFF files
ome_set.py        images that OME-XML describes, and the files and pages of their planes
planes.py         planes on pages of several files
ndtiff_index.py   index file of Micro-Manager's NDTiff
ndtiff_images.py  images of an NDTiff folder: positions, and planes along their axes
ndtiff_planes.py  planes of an NDTiff folder
page_series.py    numbered files of one page each, without metadata
candidates.py     all images of a set of any kind
opening.py        choice of an image
"""
