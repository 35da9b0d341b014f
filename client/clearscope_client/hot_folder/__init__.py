"""A folder whose images are denoised as they arrive."""

from clearscope_client.hot_folder.arrivals import is_zarr
from clearscope_client.hot_folder.watching import HotFolder, Recipe, WhenDone

__all__ = ["HotFolder", "Recipe", "WhenDone", "is_zarr"]
