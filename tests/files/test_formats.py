"""Real files of many formats: each is read correctly or refused with a reason.

The expectations come from libtiff's `tiffinfo` (size, sample format, photometric interpretation).
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_store.errors import ImageContentError, ImageCorruptError, ImageError, ImageUnsupportedError
from models_store.image_files import opening
from models_store.image_files.content import check_content
from models_store.image_files.isolation.reader import Reader
from models_store.image_files.tiff.reader import open_planes

ACCEPTED = {
    "imagej_head.tif": ("YX", (228, 256), "float32"),
    "imagetiff_flower-minisblack-02.tif": ("YX", (43, 73), "uint8"),
    "imagetiff_flower-minisblack-04.tif": ("YX", (43, 73), "uint8"),
    "imagetiff_flower-minisblack-06.tif": ("YX", (43, 73), "uint8"),
    "imagetiff_flower-minisblack-08.tif": ("YX", (43, 73), "uint8"),
    "imagetiff_flower-minisblack-10.tif": ("YX", (43, 73), "uint16"),
    "imagetiff_flower-minisblack-12.tif": ("YX", (43, 73), "uint16"),
    "imagetiff_flower-minisblack-14.tif": ("YX", (43, 73), "uint16"),
    "imagetiff_flower-minisblack-16.tif": ("YX", (43, 73), "uint16"),
    "imagetiff_flower-minisblack-24.tif": ("YX", (43, 73), "uint32"),
    "imagetiff_flower-minisblack-32.tif": ("YX", (43, 73), "uint32"),
    "imagetiff_int16.tif": ("YX", (64, 64), "int16"),
    "imagetiff_int16_zstd.tif": ("YX", (64, 64), "int16"),
    "imagetiff_int8.tif": ("YX", (64, 64), "int8"),
    "imagetiff_issue_69_lzw.tiff": ("YX", (45, 45), "uint16"),
    "imagetiff_minisblack-1c-16b.tiff": ("YX", (151, 157), "uint16"),
    "imagetiff_minisblack-1c-8b.tiff": ("YX", (151, 157), "uint8"),
    "imagetiff_minisblack-1c-i16b.tiff": ("YX", (151, 157), "int16"),
    "imagetiff_minisblack-1c-i8b.tiff": ("YX", (151, 157), "int8"),
    "imagetiff_predictor-3-gray-f32.tif": ("YX", (200, 200), "float32"),
    "imagetiff_seq-1c-16b-bigendian-68f373a0.tiff": ("YX", (16, 16), "uint16"),
    "imagetiff_seq-1c-16b-deflate-68f373a0.tiff": ("YX", (16, 16), "uint16"),
    "imagetiff_seq-1c-16b-lzw-68f373a0.tiff": ("YX", (16, 16), "uint16"),
    "imagetiff_seq-1c-16b-multistrip-68f373a0.tiff": ("YX", (16, 16), "uint16"),
    "imagetiff_seq-1c-16b-tiled-68f373a0.tiff": ("YX", (16, 16), "uint16"),
    "imagetiff_seq-1c-32f-deflate-fpredict-390fe673.tiff": ("YX", (16, 16), "float32"),
    "imagetiff_seq-1c-64f-deflate-fpredict-afa8560e.tiff": ("YX", (16, 16), "float64"),
    "imagetiff_seq-1c-8b-deflate-20f3db0c.tiff": ("YX", (16, 16), "uint8"),
    "imagetiff_seq-1c-8b-lzw-20f3db0c.tiff": ("YX", (16, 16), "uint8"),
    "imagetiff_seq-1c-8b-lzw-hpredict-20f3db0c.tiff": ("YX", (16, 16), "uint8"),
    "imagetiff_seq-1c-8b-tiled-20f3db0c.tiff": ("YX", (16, 16), "uint8"),
    "imagetiff_seq-1c-8b-tiled-bigtiff-20f3db0c.tiff": ("YX", (16, 16), "uint8"),
    "imagetiff_seq-1c-8b-tiled-deflate-20f3db0c.tiff": ("YX", (16, 16), "uint8"),
    "imagetiff_seq-1c-8b-tiled-lzw-20f3db0c.tiff": ("YX", (16, 16), "uint8"),
    "imagetiff_tiled-gray-i1.tif": ("YX", (51, 37), "bool"),
    "imagetiff_tiled-oversize-gray-i8.tif": ("YX", (374, 499), "int8"),
    "ndtiff_v2/ndtiffv2.0_test_NDTiffStack.tif": ("TCYX", (5, 2, 32, 32), "uint16"),
    "ndtiff_v3.2_11bit/ndtiff3.2_11bit_NDTiffStack.tif": ("TYX", (10, 64, 64), "uint16"),
    "ndtiff_v3_12bit_mda/12_bit_pycromanager_mda_NDTiffStack.tif": ("TCYX", (4, 2, 64, 64), "uint16"),
    "pillow_10ct_32bit_128.tiff": ("YX", (128, 128), "float32"),
    "pillow_12bit.cropped.tif": ("YX", (100, 100), "uint16"),
    "pillow_12in16bit.tif": ("YX", (100, 100), "uint16"),
    "pillow_16_bit_noise.tif": ("YX", (32, 32), "uint16"),
    "pillow_16bit.cropped.tif": ("YX", (64, 64), "uint16"),
    "pillow_hopper_gray_4bpp.tif": ("YX", (128, 128), "uint8"),
}

# File name pattern: the error, and a word of its reason.
REFUSED: list[tuple[str, type[ImageError], str]] = [
    ("imagej_gray16signedA.tif", ImageContentError, "5 x 1"),
    ("imagej_gray32float-3x2-sub1.tif", ImageContentError, "3 x 2"),
    ("imagej_gray8-3x2-stack.tif", ImageContentError, "3 x 2"),
    ("imagetiff_BigTIFF*.tif", ImageUnsupportedError, "RGB"),
    ("imagetiff_Transparency-lzw.tif", ImageUnsupportedError, "RGB"),
    ("imagetiff_cmyk-*.tiff", ImageUnsupportedError, "CMYK"),
    ("imagetiff_flower-rgb-planar-*.tif", ImageUnsupportedError, "RGB"),
    ("imagetiff_flower-separated-planar-*.tif", ImageUnsupportedError, "CMYK"),
    ("imagetiff_gradient-1c-*.tiff", ImageContentError, "256 x 1"),
    ("imagetiff_gradient-3c-*.tiff", ImageUnsupportedError, "RGB"),
    ("imagetiff_int*_rgb.tif", ImageUnsupportedError, "RGB"),
    ("imagetiff_logluv-3c-16b.tiff", ImageUnsupportedError, "LogLuv"),
    ("imagetiff_minisblack-1c-[357]b.tiff", ImageContentError, "8 x 2"),
    ("imagetiff_minisblack-2c-8b-alpha.tiff", ImageUnsupportedError, "2 samples"),
    ("imagetiff_predictor-3-rgb-f32.tif", ImageUnsupportedError, "RGB"),
    ("imagetiff_quad-jpeg.tif", ImageUnsupportedError, "YCbCr"),
    ("imagetiff_quad-lzw*", ImageUnsupportedError, "RGB"),
    ("imagetiff_rgb-3c-16b.tiff", ImageUnsupportedError, "RGB"),
    ("imagetiff_seq-3c-*.tiff", ImageUnsupportedError, "RGB"),
    ("imagetiff_seq-4c-16b-cmyk-*.tiff", ImageUnsupportedError, "CMYK"),
    ("imagetiff_seq-4c-16b-rgba-*.tiff", ImageUnsupportedError, "RGB"),
    ("imagetiff_tiled-jpeg-rgb-u8.tif", ImageUnsupportedError, "RGB"),
    ("imagetiff_tiled-jpeg-ycbcr.tif", ImageUnsupportedError, "YCbCr"),
    ("n2v_flybrain_lzw.tiff", ImageUnsupportedError, "RGB"),
    ("*/NDTiff.index", ImageCorruptError, "format of this file is unknown"),
    ("pfm_test_image.ome.tif", ImageUnsupportedError, "RGB"),
    ("pillow_16bit.s.tif", ImageContentError, "10 x 10"),
    ("pillow_hopper.iccprofile.tif", ImageUnsupportedError, "RGB"),
    ("pillow_hopper_[bfjlw]*.tif", ImageUnsupportedError, "RGB"),
    ("pillow_lab.tif", ImageUnsupportedError, r"L\*a\*b"),
    ("pillow_multipage-lastframe.tif", ImageUnsupportedError, "palette"),
    ("pillow_multipage.tiff", ImageUnsupportedError, "palette"),
    ("pillow_multipage_out_of_order.tiff", ImageUnsupportedError, "palette"),
    ("pillow_multipage_*_frame_loop.tiff", ImageCorruptError, "loop"),
    ("pillow_old-style-jpeg-compression.tif", ImageUnsupportedError, "YCbCr"),
    ("pillow_rdf.tif", ImageUnsupportedError, "2 samples"),
    ("pillow_tiff_16bit_RGB*.tiff", ImageUnsupportedError, "RGB"),
    ("pillow_tiff_tiled_ycbcr_jpeg_2x2_sampling.tif", ImageUnsupportedError, "YCbCr"),
    ("pillow_uint16_1_4660.tif", ImageContentError, "10 x 10"),
    ("skimage_multipage.tif", ImageContentError, "10 x 15"),
]

MALFORMED: dict[str, tuple[type[ImageError], str]] = {
    "compression_unknown.tif": (ImageUnsupportedError, "compression 64999"),
    "cut_half.tif": (ImageCorruptError, "truncated"),
    "cut_last_row.tif": (ImageCorruptError, "plane 1 is incomplete"),
    "empty.tif": (ImageCorruptError, "is empty"),
    "height_doubled.tif": (ImageCorruptError, "claims 10752 bytes"),
    "ifd_behind_end.tif": (ImageCorruptError, "byte 1000000"),
    "lfs_pointer.tif": (ImageUnsupportedError, "a pointer of Git LFS.*git lfs pull"),
    "magic_only.tif": (ImageCorruptError, "no pages"),
    "palette_without_map.tif": (ImageUnsupportedError, "palette"),
    "photometric_unknown.tif": (ImageUnsupportedError, "other than grey"),
    "png_named_tif.tif": (ImageUnsupportedError, "a PNG"),
    "strip_behind_end.tif": (ImageCorruptError, "plane 1 is incomplete"),
    "text.tif": (ImageCorruptError, "a text file, which begins with"),
    "width_zero.tif": (ImageContentError, "no pixels"),
    "zlib_damaged.tif": (ImageCorruptError, "plane 1 cannot be decoded"),
}


@pytest.fixture(scope="module")
def formats(test_data: Path) -> Path:
    return test_data / "formats"


def test_each_file_has_an_expectation(formats: Path, test_data: Path) -> None:
    files = {str(path.relative_to(formats)) for path in formats.rglob("*") if path.is_file()}
    refused = {str(path.relative_to(formats)) for pattern, _, _ in REFUSED for path in formats.glob(pattern)}
    assert files == ACCEPTED.keys() | refused
    assert not refused & ACCEPTED.keys()
    assert {path.name for path in (test_data / "malformed").iterdir()} == MALFORMED.keys()


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_grey_image_is_read_correctly(formats: Path, name: str) -> None:
    axes, shape, dtype = ACCEPTED[name]
    with open_planes(formats / name) as planes:
        check_content(planes)
        assert (planes.header.axes, planes.header.shape, planes.header.dtype) == (axes, shape, dtype)
        assert planes.header.planes == len(planes) == int(np.prod(shape[:-2]))
        decoded = list(planes)
    assert {plane_yx.shape for plane_yx in decoded} == {shape[-2:]}
    assert {plane_yx.dtype for plane_yx in decoded} == {np.dtype(dtype)}


@pytest.mark.parametrize(("pattern", "error", "reason"), REFUSED)
def test_another_image_is_refused_with_the_reason(
    formats: Path, pattern: str, error: type[ImageError], reason: str
) -> None:
    for path in formats.glob(pattern):
        with pytest.raises(error, match=reason), open_planes(path):
            pass


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused(reader: Reader, test_data: Path, name: str) -> None:
    error, reason = MALFORMED[name]
    with pytest.raises(error, match=reason):
        reader.inspect(test_data / "malformed" / name)


def test_pixels_equal_what_another_decoder_reads(formats: Path) -> None:
    compared = 0
    for name in ACCEPTED:
        try:
            with Image.open(formats / name) as picture:
                expected = np.asarray(picture)
        except (OSError, KeyError):
            continue
        with open_planes(formats / name) as planes:
            plane_yx = planes[0]
        # Pillow scales 2 and 4 bits to 0..255, reads int8 as uint8, and does not support 9 to 15 bits.
        if expected.dtype == plane_yx.dtype and "4bpp" not in name and "black-0" not in name:
            np.testing.assert_array_equal(plane_yx, expected, err_msg=name)
            compared += 1
    assert compared >= 20


@pytest.mark.parametrize("bits", [2, 4, 6, 8, 10, 12, 14, 24, 32])
def test_packed_bits_hold_the_same_flower_at_another_depth(formats: Path, bits: int) -> None:
    with open_planes(formats / "imagetiff_flower-minisblack-16.tif") as planes:
        reference_yx = planes[0] / 65535
    with open_planes(formats / f"imagetiff_flower-minisblack-{bits:02}.tif") as planes:
        depth_yx = planes[0] / (2**bits - 1)
    true_bits = {24: 8, 32: 16}.get(bits, bits)  # the 24-bit file repeats one byte three times
    assert np.abs(depth_yx - reference_yx).max() <= 1.01 / (2**true_bits - 1)


def test_micro_manager_stack_without_its_index_keeps_channels_and_pixel_size(formats: Path) -> None:
    with open_planes(formats / "ndtiff_v3_12bit_mda/12_bit_pycromanager_mda_NDTiffStack.tif") as planes:
        header = planes.header
    assert header.file_kind == "ndtiff"
    assert header.channel_names == ("DAPI", "FITC")
    assert header.pixel_size_um is not None
    assert (header.pixel_size_um.x_um, header.pixel_size_um.y_um) == (1.0, 1.0)
    with opening.open_planes(formats / "ndtiff_v3_12bit_mda") as of_folder:
        assert header.time_interval_s == of_folder.header.time_interval_s == pytest.approx(0.0253, abs=1e-4)


@pytest.mark.parametrize("name", ["fmd_confocal/mice_raw.tif", "miro/ch3_raw_020ms_u16.tif"])
def test_microscope_images_are_read_in_isolation(reader: Reader, test_data: Path, name: str) -> None:
    header = reader.inspect(test_data / name)[0].header
    assert (header.axes, header.planes) == ("YX", 1)
