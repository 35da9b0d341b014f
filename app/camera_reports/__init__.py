"""Monthly reports on the cameras of a microscope: control charts, page, and research object."""
