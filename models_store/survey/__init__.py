"""Statistics of a sample of an image's pixels that characterise its detector and noise.

survey.py       survey of an image or of several images
values.py       pixel values of the detector: range, step, saturation
correlation.py  noise correlation of neighbouring pixels
"""
