"""Sections of README that pages of their own show."""

import re

from docs_site.sources import section
from worker.engine.training.presets import PRESETS

PRESETS_PAGE = """# Presets

`--preset` of a command, `preset` of a job.

{table}

What networks are like that are trained on the image alone (`--prior none`, or the preset `paper`):

{numbers}

`fast` and `balanced` adapt the pretrained network for {adapted} steps instead.
[Measured quality and times](docs/results.md), [how to choose a method](README.md#choose-a-method).
"""


def presets_page(readme: str) -> str:
    """Return README's table of presets and the budgets that the engine has."""
    found = re.search(r"^\| preset \|.*\n(?:\|.*\n)+", readme, re.MULTILINE)
    if found is None:
        raise LookupError("README has no table of presets")
    rows = [
        "| preset | features | depth | samples of PN2V | steps of N2V, PN2V, distillation |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| `{name}` | {preset.features} | {preset.depth} | {preset.samples} | "
        f"{preset.n2v_steps}, {preset.pn2v_steps}, {preset.distillation_steps} |"
        for name, preset in PRESETS.items()
    ]
    adapted = " and ".join(str(each.adaptation.steps) for each in PRESETS.values() if each.adaptation)
    return PRESETS_PAGE.format(table=found[0], numbers="\n".join(rows), adapted=adapted)


def formats_page(readme: str) -> str:
    """Return README's section on file formats, whose links within README lead there."""
    return f"# File formats\n\n{section(readme, 'File formats')}\n".replace("](#", "](README.md#")
