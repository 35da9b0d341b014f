"""Imports of a job process, which the fork server loads once for all of them.

They take seconds, mostly because of torch. The garbage collector rests meanwhile, because imports leave no
garbage, and leaves their objects alone afterwards, so that job processes share the memory.
"""

# ruff: noqa: E402, F401  # see above; nothing here uses what is imported

import gc

gc.disable()

# An optimiser imports these two when it is made.
import torch._dynamo
import torch.fx.experimental.symbolic_shapes

import worker.attempt.context
import worker.jobs.handlers
import worker.processes.child

gc.freeze()
gc.enable()
