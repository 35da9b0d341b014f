"""Adaptation of the pretrained network to images: how long, and how fast it learns."""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Adaptation:
    """Hyperparameters of trainings that start from the pretrained network; budgets are steps."""

    steps: int
    learning_rate: float

    def digest(self, pretrained: str) -> str:
        """Return a short digest of these numbers and of the pretrained network, named by its own digest."""
        content = json.dumps([pretrained, asdict(self)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:8]
