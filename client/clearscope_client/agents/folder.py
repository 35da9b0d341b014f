"""The folder whose files an agent may send, and in which results are saved."""

from pathlib import Path

from clearscope_client.errors import SourceUnreadableError


class SharedFolder:
    """A folder beyond which no path leads, not even through links."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    def inside(self, path: str) -> Path:
        """Return a path relative to the folder, or an absolute one in it; raises SourceUnreadableError."""
        found = (self.path / path).resolve()
        if not found.is_relative_to(self.path):
            raise SourceUnreadableError(
                f"{path} is outside of {self.path}, the only folder that these tools may touch; "
                "put the file there, or have the server started with another --folder"
            )
        return found

    def source(self, path: str) -> Path:
        """Return the path of a file or folder that is there; raises SourceUnreadableError."""
        found = self.inside(path)
        if not found.exists():
            raise SourceUnreadableError(f"there is no {found}; paths are relative to {self.path}")
        return found
