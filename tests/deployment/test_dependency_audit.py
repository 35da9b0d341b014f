"""Known vulnerabilities of ClearScope's dependencies."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.pinned_versions import pinned_versions, supported_pythons

PIP_AUDIT = str(Path(sys.executable).with_name("pip-audit"))


def could_not_audit(reason: str) -> NoReturn:
    """Skip the test, or fail in CI, where the audit is required."""
    complaint = f"the dependencies could not be audited: {reason}"
    if os.environ.get("CI"):
        pytest.fail(complaint)
    pytest.skip(complaint)


@pytest.mark.slow
@pytest.mark.parametrize("python", [supported_pythons()[0], supported_pythons()[-1]])
def test_no_dependency_has_a_known_vulnerability(python: str, tmp_path: Path) -> None:
    # Given constraints.txt itself, pip-audit would check only the versions for the Python it runs on.
    pinned = tmp_path / "pinned.txt"
    pinned.write_text("\n".join(map("==".join, pinned_versions(python))), "utf-8")
    command = [PIP_AUDIT, "-r", str(pinned), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    try:
        dependencies = json.loads(done.stdout)["dependencies"]
    except ValueError:
        could_not_audit(f"pip-audit says: {done.stderr.strip()[-500:]}")
    if all("skip_reason" in each for each in dependencies):
        could_not_audit(f"PyPI says nothing of any of them, such as: {dependencies[0]['skip_reason']}")
    vulnerable = {
        f"{each['name']} {each['version']}": [found["id"] for found in each["vulns"]]
        for each in dependencies
        if each.get("vulns")
    }
    assert not vulnerable
    assert not [each["skip_reason"] for each in dependencies if "skip_reason" in each]
