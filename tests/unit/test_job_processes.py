"""Imports of job processes, which each of them would repeat."""

import json
import subprocess
import sys

import pytest

LOADED = "import json, sys; print(json.dumps(sorted(sys.modules)))"


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stdout


def test_the_script_that_multiprocessing_imports_again_imports_no_command() -> None:
    loaded = json.loads(run(f"import app.commands.start; {LOADED}"))
    ours = {name for name in loaded if name.split(".")[0] in {"app", "models_store", "worker"}}
    assert ours == {"app", "app.commands", "app.commands.start"}
    assert "typer" not in loaded


@pytest.mark.slow
def test_training_imports_nothing_that_was_not_loaded_before_the_fork() -> None:
    training = """
import gc, json, sys
import worker.processes.preload
assert gc.isenabled() and gc.get_freeze_count() > 0
before = set(sys.modules)
import torch
weight = torch.nn.Parameter(torch.zeros(1))
optimiser = torch.optim.Adam([weight])
weight.square().sum().backward()
optimiser.step()
optimiser.zero_grad()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    later = json.loads(run(training))
    assert len(later) < 10, later
