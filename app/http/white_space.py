"""White space in the patterns of names, the same to all who read them."""

WHITE_SPACE = r"\s\u001c-\u001f\u0085\ufeff"
"""For a class of characters; `\\s` has those after it in some of pydantic, JavaScript and Python only."""

LINE_ENDS = r"\n\r\u2028\u2029"
"""For a class of characters; which of them `.` leaves out differs too."""
