"""Origins of configured viewers, as browsers send them."""

import pytest

from app.http.linked_cors import viewer_origins
from models_store.settings import Settings


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://viewer.example.org/", "https://viewer.example.org"),
        ("https://Viewer.Example.ORG:443/v/", "https://viewer.example.org"),
        ("http://viewer.example.org:80/", "http://viewer.example.org"),
        ("http://viewer.example.org:443/", "http://viewer.example.org:443"),
        ("https://someone:secret@viewer.example.org:8443/", "https://viewer.example.org:8443"),
        ("http://[::1]:80/", "http://[::1]"),
        ("http://[2001:DB8::80]/", "http://[2001:db8::80]"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert viewer_origins(Settings(neuroglancer_url=url, vizarr_url=url)) == [origin]
