"""Properties of an image's detector, noise and pixels, measured once from a sample of its planes.

survey.py         survey of an image or of several images
values.py         pixel values of the detector: range, step, saturation
correlation.py    noise correlation of neighbouring pixels
noise_line.py     variance of the noise against the signal
defects.py        pixels of a plane without a measurement
flat_areas.py     areas of one value, as of registered images
outliers.py       hot and dead pixels, cosmic rays
defect_counts.py  numbers of such pixels and planes
warnings.py       what users should know before hours of work
"""
