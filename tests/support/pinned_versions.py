"""Package versions that constraints.txt pins for a Python version, and the supported Python versions."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
_CLASSIFIER = "Programming Language :: Python :: "


def supported_pythons() -> list[str]:
    """Return the Python versions in the classifiers of the package, oldest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return sorted((each.removeprefix(_CLASSIFIER) for each in project["classifiers"]), key=Version)


def pinned_versions(python: str) -> list[tuple[str, str]]:
    """Return name and version of each package that constraints.txt pins for a Python version such as 3.11."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    pinned = []
    for requirement in requirements:
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            pinned.append((requirement.name, specifier.version))
    return pinned
