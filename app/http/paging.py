"""Pagination links."""

from fastapi import Request, Response


def link_next_page(next_cursor: str | None, request: Request, response: Response) -> None:
    """Set the Link header (RFC 8288) to the next page, if there is one."""
    if next_cursor is not None:
        url = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{url}>; rel="next"'
