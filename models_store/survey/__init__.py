"""What a sample of an image's pixels says of its detector and its noise, before anything is computed.

survey.py       the survey of an image, and of several together
values.py       the values that the detector gives: range, step, saturation
correlation.py  whether the noise of neighbouring pixels is independent
"""
