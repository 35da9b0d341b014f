"""Writing of result files: TIFF or OME-Zarr, with what is known of their source.

result_file.py  write planes to a file of the format that a job asks for
described.py    what is known of an image besides its header: name, times, colours
ome_tiff.py     OME-TIFF of an image of any other format
unknown_pages.py  axes of formats that hold only known ones
ome_zarr        OME-Zarr 0.5, as a folder or in a ZIP file
"""
