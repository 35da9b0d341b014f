"""What the headers of real files must say."""

from typing import NamedTuple

CELL_UM, AIRYSCAN_UM, XZ_UM = 0.0905766741522103, 0.0439294085166052, 0.140279842519685


class Facts(NamedTuple):
    """What a header must say; sizes along X, Y and Z."""

    name: str
    series: int | None
    axes: str
    shape: tuple[int, ...]
    dtype: str
    size_um: tuple[float | None, ...] | None
    channels: tuple[str, ...]


FACTS = [
    Facts(
        "czi_Airyscan.czi",
        None,
        "TCYX",
        (3, 2, 480, 480),
        "uint16",
        (AIRYSCAN_UM, AIRYSCAN_UM, None),
        ("ChA-T1", "ChA-T2"),
    ),
    Facts(
        "czi_CellDivision_T3_Z5_CH2_X240_Y170.czi",
        None,
        "TCZYX",
        (3, 2, 5, 170, 240),
        "uint16",
        (CELL_UM, CELL_UM, 0.32),
        ("LED555", "LED470"),
    ),
    Facts(
        "czi_CellDivision_T3_Z5_CH2_X240_Y170_comp1.czi",
        None,
        "TCZYX",
        (3, 2, 5, 170, 240),
        "uint16",
        None,
        (),
    ),
    Facts("czi_DAPI_GFP.czi", None, "CYX", (2, 640, 640), "uint8", None, ("DAPI", "GFP")),
    Facts("czi_WellD6-7_S2.czi", 0, "YX", (440, 544), "uint16", (0.1, 0.1, None), ("AF488",)),
    Facts("czi_WellD6-7_S2.czi", 1, "YX", (440, 544), "uint16", (0.1, 0.1, None), ("AF488",)),
    Facts("czi_newCZI_compressed.czi", None, "YX", (512, 512), "uint16", None, ()),
    Facts(
        "nd2_cluster.nd2",
        None,
        "TCZYX",
        (3, 2, 10, 31, 38),
        "uint16",
        (0.167808983232682, 0.167808983232682, 0.5),
        ("5-FAM/pH 9.0", "FM 4-64/2% CHAPS"),
    ),
    Facts(
        "lif_2channel_xz.lif",
        0,
        "TCYX",
        (20, 2, 128, 128),
        "uint8",
        (XZ_UM, 0.14027874015748, None),
        ("FITC", "TRITC"),
    ),
    Facts(
        "lif_2channel_xz.lif",
        1,
        "CZYX",
        (2, 128, 23, 128),
        "uint8",
        (XZ_UM, 0.229061545454545, 0.14027874015748),
        ("FITC", "TRITC"),
    ),
    Facts(
        "lif_2channel_xz.lif",
        2,
        "CYX",
        (2, 512, 512),
        "uint8",
        (0.102697221135029, 0.10269747553816, None),
        ("FITC", "TRITC"),
    ),
]


_LARGER_SERIES = {("czi_WellD6-7_S2.czi", 0), ("lif_2channel_xz.lif", 0), ("lif_2channel_xz.lif", 1)}


def name_of(facts: Facts) -> str:
    return facts.name if facts.series is None else f"{facts.name}[{facts.series}]"


SIF = Facts("sif_image.sif", None, "YX", (512, 512), "float32", None, ())
SEM = Facts("tif_fei_sem_rbc.tif", None, "YX", (1094, 1536), "uint8", (7.70833e-3, 7.70833e-3, None), ())
SETS = [Facts(name, None, "ZYX", (5, 24, 18), "uint8", None, ()) for name in ("ome_companion", "ome_master")]
DENOISED = [*(facts for facts in FACTS if (facts.name, facts.series) not in _LARGER_SERIES), SIF, SEM, *SETS]
"""Every file of a vendor that is an image; of one with many images, the smallest."""

MDA_UM = (1.0, 1.0, None)
OTHERS = [
    Facts("ndtiff_v2", None, "TCYX", (5, 2, 32, 32), "uint16", MDA_UM, ("DAPI", "FITC")),
    Facts("ndtiff_v3_12bit_mda", None, "TCYX", (4, 2, 64, 64), "uint16", MDA_UM, ("DAPI", "FITC")),
    Facts("ndtiff_v3.2_11bit", None, "TYX", (10, 64, 64), "uint16", MDA_UM, ()),
    Facts("imagej_head.tif", None, "YX", (228, 256), "float32", None, ()),
    Facts("imagetiff_int8.tif", None, "YX", (64, 64), "int8", None, ()),
    Facts("imagetiff_int16_zstd.tif", None, "YX", (64, 64), "int16", None, ()),
    Facts("imagetiff_flower-minisblack-12.tif", None, "YX", (43, 73), "uint16", None, ()),
    Facts("imagetiff_flower-minisblack-24.tif", None, "YX", (43, 73), "uint32", None, ()),
    Facts("pillow_16_bit_noise.tif", None, "YX", (32, 32), "uint16", (1.62522, 1.62522, None), ()),
    Facts("pillow_10ct_32bit_128.tiff", None, "YX", (128, 128), "float32", None, ()),
]
"""NDTiff folders, and one of each kind of TIFF, of the folder `formats`."""
