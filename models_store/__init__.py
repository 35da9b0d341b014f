"""All that is remembered: settings, errors, contracts, tables, blobs and image files."""
