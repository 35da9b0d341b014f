"""Properties of an image's detector, noise and pixels, measured once from a sample of its planes.

survey.py               survey of an image or of several images
values.py               pixel values of the detector: range, step, saturation
byte_order.py           bytes that are swapped
defects.py              pixels of a plane without a measurement, made of
  flat_areas.py           areas of one value, as of registered images
  strokes.py              text and scale bars burnt into the picture
  outliers.py             hot and dead pixels, cosmic rays
  surface_outliers.py     hot and dead pixels on steep structure
  steep_edges.py          clusters, and rows and columns of several pixels, by their
    edges.py              edges that no lens makes
  faint_lines.py          rows and columns whose single pixels do not stand out
  noise_scale.py          the noise that outliers are compared with
lowest_value.py         values written over scattered pixels within the noise, or cut off there
repeated_value.py       a value written over scattered pixels in the middle of the range
  value_excess.py         the same where many measurements have the value, too
  surroundings.py         light around pixels
defect_counts.py        numbers of such pixels and planes
numbers.py              pixels that are numbers
row_jumps.py            planes in which another picture begins between two rows
correlation.py          noise correlation of neighbouring pixels, and what is said of it
correlation_estimates.py  its estimates along both axes, made of
  plane_products.py       what planes, and differences of planes, reveal
  filtered_products.py    products of neighbours, by brightness
  short_range.py          correlation of adjacent pixels, and the possible error from structure
  row_noise.py            noise that rows have in common
noise_line.py           variance of the noise against the signal
brightness.py           brightness of the planes of a stack, made of
  plane_light.py          light of a plane
  exposures.py            planes of another exposure than those beside them
  light_factors.py        factors of light that do not depend on the offset
  positions.py            differences of the positions
repeated_rows.py        planes, and rows, with the pixels of an earlier plane
window.py               the part of a plane that is measured
warnings.py             what users should know before hours of work
"""
