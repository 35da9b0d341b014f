"""Published results of Prakash et al. 2020: PSNR in dB, means of five repetitions."""

RAW_DB = {"Convallaria": 28.98, "mouse nuclei": 28.10, "mouse actin": 23.71}
"""PSNR of the noisy images, as printed in the published notebooks."""

TABLE_1 = {
    "CARE": {"Convallaria": 36.71, "mouse nuclei": 36.58, "mouse actin": 34.20},
    "PN2V": {"Convallaria": 36.51, "mouse nuclei": 36.29, "mouse actin": 33.78},
    "PN2V GMM": {"Convallaria": 36.47, "mouse nuclei": 36.35, "mouse actin": 33.86},
    "N2V": {"Convallaria": 35.73, "mouse nuclei": 35.84, "mouse actin": 33.39},
    "Boot. Hist.": {"Convallaria": 36.19, "mouse nuclei": 36.31, "mouse actin": 33.61},
    "Boot. GMM": {"Convallaria": 36.70, "mouse nuclei": 36.43, "mouse actin": 33.74},
}

TABLE_2 = {(1, 2): 36.56, (1, 3): 36.34, (2, 2): 36.48, (2, 3): 36.35, (3, 2): 36.47, (3, 3): 36.31}
"""Convallaria, by K and n."""

TABLE_3 = {1: (36.56, 36.03, 35.98, 35.85, 35.78), 3: (36.47, 36.58, 36.37, 36.20, 36.08)}
"""Convallaria, by K, for NM1 to NM5."""

SIGNAL_SHARES = (1.0, 0.40, 0.25, 0.15, 0.09)
"""NM1 to NM5: calibrations up to this share of the signals in the images."""

PIXEL_SHARES = (1.0, 0.1, 0.01, 0.001, 0.0001)
"""For Figure 3 b; the text states only 0.1 %."""

ORDER = (
    ("CARE", "PN2V GMM", 0.0),
    ("CARE", "Boot. GMM", 0.0),
    ("PN2V GMM", "N2V", 0.0),
    ("Boot. GMM", "N2V", 0.3),
    ("Boot. GMM", "Boot. Hist.", 0.0),
)
"""(better, worse, least difference in dB) in all columns of Table 1, at least approximately."""
