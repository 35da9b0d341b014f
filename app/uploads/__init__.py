"""Uploads of image files, in one request or resumable."""
