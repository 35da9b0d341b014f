"""End-to-end demo of ClearScope on this machine: `make demo`, or `make demo IMAGE=path.tif`."""
