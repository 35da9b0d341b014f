"""Persistent state and shared contracts: settings, errors, tables, blobs and image files."""
