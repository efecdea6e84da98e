import errno

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import InterpolationMode

from tiae_zoo.data import DataError
from tiae_zoo.data.decode import DamagedImageError, Grey, IndexMask, Item, ThresholdMask, decode, square, votes_mask
from tiae_zoo.data.flowers import segmim_mask
from tiae_zoo.data.lfw import parts_mask


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def read(path, size=16, resize="antialias", mask=None, rule=votes_mask, turn=False):
    return decode(Item("it", path, mask), size, resize, rule, turn)


@pytest.mark.parametrize("shape", [(50, 70), (71, 50), (33, 33), (200, 31), (16, 40), (9, 12)])
@pytest.mark.parametrize(("resize", "mode"), [("antialias", "BILINEAR"), ("nearest", "NEAREST")])
def test_geometry_is_that_of_torchvision(shape, resize, mode):
    image = Image.fromarray(noise(*shape, 3))
    reference = v2.Compose([v2.Resize(16, InterpolationMode[mode], antialias=True), v2.CenterCrop(16)])(image)
    assert np.array_equal(np.asarray(square(image, 16, resize)), np.asarray(reference))


def test_mask_follows_the_image_and_is_never_blended(tmp_path):
    blocks = np.kron(noise(6, 9) > 127, np.ones((8, 8), bool))
    Image.fromarray(blocks).convert("RGB").save(tmp_path / "image.png")
    Image.fromarray(blocks).convert("L").save(tmp_path / "mask.png")
    for resize in ("nearest", "antialias"):
        image, mask = read(tmp_path / "image.png", 24, resize, tmp_path / "mask.png")
        assert set(np.unique(mask)) == {0, 1}
        agree = ((image[0] > 127) == mask).mean()
        assert agree == 1 if resize == "nearest" else agree > 0.9


def kinds():
    grey = noise(20, 20)
    rgb = Image.fromarray(noise(20, 20, 3))
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    clear = Image.fromarray(np.dstack([noise(20, 20, 3), np.zeros((20, 20), np.uint8)]))
    spread = np.broadcast_to(grey, (3, 20, 20))
    return {
        "grey": (Image.fromarray(grey), "png", spread),
        "16 bits": (wide, "png", spread),
        "16 bits in tiff": (wide, "tiff", spread),
        "32 bits": (Image.fromarray(grey.astype(np.int32) * 257), "tiff", spread),
        "float": (Image.fromarray(grey.astype(np.float32) / 255), "tiff", spread),
        "one bit": (Image.fromarray(grey > 127), "png", np.broadcast_to((grey > 127) * 255, (3, 20, 20))),
        "palette": (rgb.quantize(256), "png", np.asarray(rgb.quantize(256).convert("RGB")).transpose(2, 0, 1)),
        "transparent": (clear, "png", np.full((3, 20, 20), 255)),
        "grey and opaque": (Image.fromarray(np.dstack([grey, np.full_like(grey, 255)])), "png", spread),
        "cmyk": (rgb.convert("CMYK"), "tiff", np.asarray(rgb).transpose(2, 0, 1)),
    }


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_image_becomes_rgb(kind, tmp_path):
    image, suffix, expected = kinds()[kind]
    image.save(tmp_path / f"it.{suffix}")
    pixels, mask = read(tmp_path / f"it.{suffix}", size=20)
    assert mask is None
    assert pixels.shape == (3, 20, 20)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_image_becomes_grey(kind, tmp_path):
    image, suffix, expected = kinds()[kind]
    image.save(tmp_path / f"it.{suffix}")
    pixels, _ = decode(Item("it", tmp_path / f"it.{suffix}"), 20, "antialias", votes_mask, False, Grey())
    assert pixels.shape == (1, 20, 20)
    assert pixels.dtype == np.uint8
    luma = np.tensordot((0.299, 0.587, 0.114), expected, 1)
    assert np.abs(pixels[0] - luma).max() <= 1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_a_range_of_values_becomes_black_to_white(kind):
    values = np.array([[0, 50, 100, 160, 200, 250]], kind)
    scaled = [[0, 0, 0, 153, 255, 255]]
    assert np.asarray(Grey((100, 200))(Image.fromarray(values))).tolist() == scaled


def test_what_was_not_measured_is_black():
    depths = Image.fromarray(np.array([[np.nan, 0.5, 1.0, np.inf]], np.float32))
    assert np.asarray(Grey((0.5, 1))(depths)).tolist() == [[0, 0, 255, 0]]
    assert np.asarray(Grey()(depths)).tolist() == [[0, 128, 255, 0]]


def test_palette_transparency_shows_white(tmp_path):
    picture = Image.fromarray(np.zeros((20, 20), np.uint8)).convert("P")
    picture.save(tmp_path / "it.png", transparency=0)
    assert read(tmp_path / "it.png", size=20)[0].min() == 255


def test_camera_orientation_is_obeyed_if_asked(tmp_path):
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[:5] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "it.png", exif=exif)
    assert read(tmp_path / "it.png", size=20, turn=True)[0][0, -1, 0] == 255
    assert read(tmp_path / "it.png", size=20)[0][0, 0, 0] == 255


def test_votes_above_half_are_foreground_and_the_first_channel_counts():
    votes = np.array([[0, 51, 102, 127, 128, 153, 255]], np.uint8)
    expected = [[0, 0, 0, 0, 1, 1, 1]]
    assert votes_mask(Image.fromarray(votes)).tolist() == expected
    two = np.dstack([votes, 255 - votes])
    assert votes_mask(Image.fromarray(two)).tolist() == expected
    four = np.dstack([votes, votes * 0, votes * 0, votes * 0 + 255])
    assert votes_mask(Image.fromarray(four)).tolist() == expected


def test_flower_ground_is_where_red_or_green_is_0_or_blue_254():
    colours = [(0, 0, 254), (0, 9, 9), (9, 0, 9), (9, 9, 254), (9, 9, 9), (1, 1, 255)]
    assert segmim_mask(Image.fromarray(np.array([colours], np.uint8))).tolist() == [[0, 0, 0, 0, 1, 1]]


def test_hair_and_face_are_foreground():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    assert parts_mask(Image.fromarray(np.array([colours], np.uint8))).tolist() == [[1, 1, 0]]


def test_threshold_masks_of_any_mode():
    grey = np.array([[0, 100, 128, 255]], np.uint8)
    assert ThresholdMask()(Image.fromarray(grey)).tolist() == [[0, 0, 1, 1]]
    assert ThresholdMask(128)(Image.fromarray(grey)).tolist() == [[0, 0, 255, 1]]
    assert ThresholdMask()(Image.fromarray(grey > 0)).tolist() == [[0, 1, 1, 1]]
    assert ThresholdMask()(Image.fromarray(grey.astype(np.uint16) * 257)).tolist() == [[0, 0, 1, 1]]
    assert ThresholdMask()(Image.fromarray(grey).convert("RGBA")).tolist() == [[0, 0, 1, 1]]


def test_index_masks_keep_their_numbers():
    numbers = np.array([[0, 1, 2, 7, 255]], np.uint8)
    palette = Image.fromarray(numbers, "L").convert("L")
    coloured = Image.new("P", palette.size)
    coloured.putdata(numbers.ravel().tolist())
    coloured.putpalette(noise(768).tolist())
    for image in (palette, coloured, Image.fromarray(numbers.astype(np.uint16))):
        assert IndexMask(3, ignore_value=7)(image).tolist() == [[0, 1, 2, 255, 255]]
    assert IndexMask(2)(Image.fromarray(numbers == 1)).tolist() == [[0, 1, 0, 0, 0]]


def test_index_beyond_the_classes_tells_the_way_out():
    with pytest.raises(DataError, match=r"value 7.*only 3 classes.*--data\.num_classes"):
        IndexMask(3)(Image.fromarray(np.array([[0, 7]], np.uint8)))


@pytest.mark.parametrize("damage", [b"", b"GIF89a", None], ids=["empty", "only a header", "cut off"])
def test_damaged_file_is_named(damage, tmp_path):
    path = tmp_path / "it.jpg"
    Image.fromarray(noise(40, 40, 3)).save(path)
    path.write_bytes(path.read_bytes()[:400] if damage is None else damage)
    with pytest.raises(DamagedImageError, match=r"it\.jpg"):
        read(path)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied"),
            r"it\.png cannot be read \(Permission denied\)\. .*start again",
        ),
        (OSError(errno.EMFILE, "Too many open files"), r"it\.png cannot be read \(Too many open files\)"),
        (MemoryError(), r"not enough memory to decode .*it\.png"),
    ],
)
def test_what_the_system_refuses_is_no_damage(error, words, tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match=words):
        read(tmp_path / "it.png")


def test_mask_of_another_shape_is_not_taken(tmp_path):
    Image.fromarray(noise(40, 60, 3)).save(tmp_path / "image.png")
    Image.fromarray(noise(60, 40)).save(tmp_path / "turned.png")
    Image.fromarray(noise(20, 30)).save(tmp_path / "half.png")
    with pytest.raises(DamagedImageError, match="mask is 40x60 pixels, the image 60x40"):
        read(tmp_path / "image.png", mask=tmp_path / "turned.png")
    assert read(tmp_path / "image.png", mask=tmp_path / "half.png")[1].shape == (16, 16)
