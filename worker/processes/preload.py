"""Imports of a job process, which the fork server loads once for all of them.

They take seconds, mostly because of torch. Garbage collection is off meanwhile, because imports leave no
garbage; afterwards it skips their objects, so that job processes share the memory.
"""

# ruff: noqa: E402, F401  # see above; nothing here uses what is imported

import gc

gc.disable()

# torch imports these two when an optimiser is created.
import torch._dynamo
import torch.fx.experimental.symbolic_shapes
from sqlalchemy.orm import configure_mappers

import worker.attempt.context
import worker.jobs.handlers
import worker.processes.child

# SQLAlchemy would do it in each job process, before the first statement.
configure_mappers()

gc.freeze()
gc.enable()
