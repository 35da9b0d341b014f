"""ClearScope from end to end, on this machine: `make demo`, or `make demo IMAGE=path.tif`."""
