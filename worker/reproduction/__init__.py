"""The tables and figures of Prakash et al. 2020, measured on any data."""
