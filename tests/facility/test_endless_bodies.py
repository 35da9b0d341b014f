"""Endless request bodies, sent to a real server, are cut off and answered."""

import socket
from collections.abc import Iterator
from pathlib import Path

from tests.support.server_process import ServerProcess, server_without_worker
from tests.support.services import Redis

MEBIBYTE = 1024**2


def raw_exchange(server: ServerProcess, request: bytes, chunks: Iterator[bytes]) -> tuple[str, int]:
    """Send a request and chunks until the server closes; return its status line and the bytes sent."""
    sent_bytes = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(request)
        try:
            for chunk in chunks:
                connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                sent_bytes += len(chunk)
            connection.sendall(b"0\r\n\r\n")
        except OSError:
            pass  # The server answered and closed while we were still sending.
        answer = connection.makefile("rb").readline()
    return answer.decode().strip(), sent_bytes


TARGETS = ("/v1/images?filename=a.tif", "/v1/noise-models/import", "/v1/networks/import", "/v1/jobs")


def test_an_endless_body_is_cut_off(tmp_path: Path, redis_service: Redis) -> None:
    server = server_without_worker(tmp_path / "data", redis_service.url, upload_limit_bytes="100000")
    server.start()
    endless = 400 * MEBIBYTE
    try:
        for target in TARGETS:
            request = (
                f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
            )
            chunks = (bytes(65536) for _ in range(endless // 65536))
            status, sent_bytes = raw_exchange(server, request.encode(), chunks)
            assert status.startswith(("HTTP/1.1 413", "HTTP/1.1 422")), f"{target}: {status}"
            assert sent_bytes < endless, target
        assert server.is_alive()
    finally:
        server.stop()
