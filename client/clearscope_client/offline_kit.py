"""Imaging Server Kit without internet: importing 0.3.1 downloads a sample image for one of its demos."""

import numpy as np
import skimage.data

_brain = skimage.data.brain
skimage.data.brain = lambda: np.zeros((2, 8, 8), np.uint16)
try:
    import imaging_server_kit as sk
finally:
    skimage.data.brain = _brain

__all__ = ["sk"]
