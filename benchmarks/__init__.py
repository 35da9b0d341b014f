"""Quality and speed, measured: `make bench`. Numbers are printed, never asserted."""
