"""Reproduction of the tables and figures of Prakash et al. 2020 on any data."""
