"""English texts of the portal, a class for each view."""


class Shell:
    """Texts of every page."""

    PRODUCT = "ClearScope"
    SKIP = "Skip to the content"
    NAVIGATION = "Main"
    API = "API"
    API_HINT = "Documentation of the API, for programs"
    SIGN_OUT = "Sign out"
    OFFLINE = (
        "The connection to the server is lost. This page tries again by itself; what it shows may be old."
    )


class Navigation:
    """Names of views."""

    HOME = "Denoise"


class Home:
    """The first page."""

    TITLE = "Denoise images"
    EMPTY = "Images are uploaded through the API or with the command clearscope submit."


class SignIn:
    """Signing in."""

    TITLE = "Sign in"
    WHY = "This server asks for an API key. The administrator of the server creates keys."
    KEY = "API key"
    KEY_HINT = "It begins with cs_. The browser keeps it where no script can read it."
    STAY = "Stay signed in on this computer for 30 days"
    STAY_HINT = "Leave this unchecked on a computer that others use."
    SUBMIT = "Sign in"


class Error:
    """Pages that tell of an error."""

    NOT_FOUND = "Not found"
    NOT_FOUND_HINT = "It may have been deleted, or your key may not see it."
    FORBIDDEN = "Not allowed"
    TOO_MANY = "Too many requests"
    OTHER = "Something went wrong"
    REQUEST = "Request"
    REQUEST_HINT = "Tell the administrator this number, to find the request in the server's log."
    HOME = "To the first page"
