"""Deployment files match the program and pass the checks of their tools."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from models_store.settings import Settings
from tests.support.pinned_versions import pinned_versions, supported_pythons

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DOCKERFILES = sorted(ROOT.glob("docker/*.Dockerfile"))
COMPOSE = ROOT / "docker-compose.yml"
ENVIRONMENT = (ROOT / ".env.example").read_text("utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FROM_A_NEWER_PYTHON = {
    requirement.name
    for extra in PYPROJECT["project"]["optional-dependencies"].values()
    for requirement in map(Requirement, extra)
    if requirement.marker is not None
    and not requirement.marker.evaluate({"python_version": supported_pythons()[0]})
}
KUBERNETES = sorted(ROOT.glob("docker/kubernetes/*.yaml"))

Document = dict[str, Any]


def run(*command: str | Path) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compose() -> Document:
    document: Document = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return document


def settings_given() -> Iterator[tuple[str, str]]:
    """Yield every CLEARSCOPE_* variable that an image, the compose file or Kubernetes sets, and where."""
    for path in DOCKERFILES:
        for name in re.findall(r"\b(CLEARSCOPE_[A-Z_]+)=", path.read_text("utf-8")):
            yield name, path.name
    for service, described in compose()["services"].items():
        for name in described.get("environment", {}):
            if name.startswith("CLEARSCOPE_"):
                yield name, service
    for path in KUBERNETES:
        for name in re.findall(r"\b(CLEARSCOPE_[A-Z_]+)\b", path.read_text("utf-8")):
            yield name, path.name


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_pass_the_linter(path: Path) -> None:
    run(BIN / "hadolint", path)


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_copy_only_paths_that_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    (extra,) = set(re.findall(r"'\.\[(\w+)\]'", text))
    assert extra in PYPROJECT["project"]["optional-dependencies"]
    assert "--constraint constraints.txt" in text
    (entry,) = re.findall(r'^ENTRYPOINT \["(\w+)"\]$', text, re.MULTILINE)
    assert entry in PYPROJECT["project"]["scripts"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_run_as_an_ordinary_user_and_are_pinned(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.+)$", text, re.MULTILINE)
    pinned = re.fullmatch(r"python:(\d+\.\d+)\.\d+-slim-\w+", base)
    assert pinned
    assert pinned[1] in supported_pythons()
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}"}


def test_each_supported_python_has_one_version_of_every_package() -> None:
    oldest, *newer = ([name for name, _ in pinned_versions(python)] for python in supported_pythons())
    assert len(oldest) == len(set(oldest))
    # A package may need a newer Python than the oldest one, if whoever requires it says so.
    for names in newer:
        assert [name for name in names if name not in FROM_A_NEWER_PYTHON] == oldest


def test_the_compose_file_follows_its_schema() -> None:
    run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)


def test_third_party_images_are_pinned_by_version() -> None:
    services = compose()["services"].values()
    images = {service["image"] for service in services if "build" not in service}
    assert len(images) == 4
    for image in images:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+[\w.-]*", image), image


def test_services_wait_for_their_dependencies_and_have_resource_limits() -> None:
    described = compose()
    services = described["services"]
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"]["memory"], name
        for needed, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert needed in services
            if condition == "service_healthy":
                own_image = "build" in services[needed]
                assert own_image or "healthcheck" in services[needed], (name, needed)
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            assert source in described["volumes"] or (ROOT / source).is_file(), (name, source)
        # Compose writes a secret that is not a file into the container, which must not be read-only.
        written = service.get("secrets") or service.get("configs")
        assert not (written and service.get("read_only")), name
    ours = [service for service in services.values() if "build" in service]
    assert len(ours) == 6
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in ours)
    reserved = services["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert reserved == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]


def test_every_setting_that_is_set_exists() -> None:
    known = {f"CLEARSCOPE_{name.upper()}" for name in Settings.model_fields}
    given = list(settings_given())
    assert given
    assert [(name, where) for name, where in given if name not in known] == []


def test_the_example_environment_explains_every_setting_with_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = ENVIRONMENT.splitlines()
    explained = dict(re.findall(r"^#(CLEARSCOPE_[A-Z_]+)=(.*)$", ENVIRONMENT, re.MULTILINE))
    assert explained.keys() == {f"CLEARSCOPE_{name.upper()}" for name in Settings.model_fields}
    folder = explained.pop("CLEARSCOPE_DATA_DIR")
    for name, text in explained.items():
        monkeypatch.setenv(name, text)
    assert Settings(data_dir=Path(folder)) == Settings.model_construct(
        **{**defaults(), "data_dir": Path(folder)}
    )
    for number, line in enumerate(lines):
        if re.match(r"#?[A-Z0-9_]+=", line):
            assert re.match(r"# |#?[A-Z0-9_]+=", lines[number - 1]), f"nothing explains {line}"


def defaults() -> Document:
    return {
        name: field.default for name, field in Settings.model_fields.items() if field.default_factory is None
    }


def test_the_example_has_every_variable_of_the_compose_file_and_no_other() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text("utf-8"))) | {
        "PROMETHEUS_API_KEY",
        "COMPOSE_PROFILES",
    }
    assert asked == set(re.findall(r"^([A-Z0-9_]+)=", ENVIRONMENT, re.MULTILINE))


def commands() -> Iterator[tuple[str, ...]]:
    for path in DOCKERFILES:
        (arguments,) = re.findall(r"^CMD \[(.+)\]$", path.read_text("utf-8"), re.MULTILINE)
        yield tuple(yaml.safe_load(f"[{arguments}]"))
    for service in compose()["services"].values():
        if "build" in service:
            yield tuple(service["command"])
    for path in KUBERNETES:
        for arguments in re.findall(r"args: \[(.+)\]", path.read_text("utf-8")):
            yield tuple(yaml.safe_load(f"[{arguments}]"))


@pytest.mark.parametrize("command", sorted(set(commands())), ids=" ".join)
def test_every_command_that_is_used_exists(command: tuple[str, ...]) -> None:
    assert "Usage" in run(BIN / "clearscope", *command, "--help")


HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {hidden!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hidden())
import {modules}
"""


@pytest.mark.parametrize(
    ("hidden", "modules"),
    [
        (
            {"torch", "skimage", "matplotlib"},
            "app.commands.main, app.serving.brokered, worker.upkeep.beat",
        ),
        (
            {"fastapi", "uvicorn", "limits", "starlette"},
            "app.commands.main, worker.processes.celery_app, worker.attempt.context, worker.processes.child",
        ),
    ],
    ids=["server", "worker"],
)
def test_each_image_works_without_the_dependencies_of_the_other(hidden: set[str], modules: str) -> None:
    run(sys.executable, "-c", HIDE.format(hidden=hidden, modules=modules))


def test_prometheus_scrapes_every_service_with_metrics() -> None:
    services = compose()["services"]
    configured = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text("utf-8"))
    server, worker = configured["scrape_configs"]
    assert server["static_configs"] == [{"targets": ["server:8000"]}]
    (discovered,) = worker["dns_sd_configs"]
    assert set(discovered["names"]) == {
        name for name in services if "worker" in services[name].get("command", [])
    }
    ports = {services[name]["environment"]["CLEARSCOPE_METRICS_PORT"] for name in discovered["names"]}
    assert ports == {discovered["port"]}
    mounted = [volume.split(":") for volume in services["prometheus"]["volumes"]]
    assert {target for _, target, *_ in mounted} >= {
        "/etc/prometheus/prometheus.yml",
        *configured["rule_files"],
    }
    assert (
        server["authorization"]["credentials_file"] == f"/run/secrets/{services['prometheus']['secrets'][0]}"
    )


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_kubernetes_manifests_are_complete(path: Path) -> None:
    manifests = list(yaml.safe_load_all(path.read_text("utf-8")))
    for manifest in manifests:
        assert {"apiVersion", "kind", "metadata", "spec"} <= manifest.keys()
        if manifest["kind"] == "Deployment":
            labels = manifest["spec"]["template"]["metadata"]["labels"]
            assert manifest["spec"]["selector"]["matchLabels"] == labels
            spec = manifest["spec"]["template"]["spec"]
            named = {volume["name"] for volume in spec.get("volumes", [])}
            for container in spec["containers"]:
                assert {mount["name"] for mount in container.get("volumeMounts", [])} <= named


def test_keda_scales_what_is_deployed() -> None:
    names = {
        manifest["metadata"]["name"]
        for path in KUBERNETES
        for manifest in yaml.safe_load_all(path.read_text("utf-8"))
        if manifest["kind"] == "Deployment"
    }
    scaling = yaml.safe_load((ROOT / "docker" / "kubernetes" / "keda.yaml").read_text("utf-8"))
    assert scaling["spec"]["scaleTargetRef"]["name"] in names
