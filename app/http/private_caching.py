"""What a browser may keep of a response without asking again."""


def kept_privately(duration_s: int, *, immutable: bool = False) -> dict[str, str]:
    """Return headers with which a browser keeps a response for the credentials that it was asked with."""
    return {
        "Cache-Control": f"private, max-age={duration_s}" + (", immutable" if immutable else ""),
        # Whoever signs out, or signs in with another key at the same computer, asks the server again.
        "Vary": "Cookie, Authorization",
    }
