"""The data modules under test, on tiny pictures."""

from tiae_zoo.data import (
    CUB,
    LFW,
    MNIST,
    ClutteredMNIST,
    Colored2MNIST,
    DistortedMNIST,
    Flowers,
    Folder,
    LFWParts,
    MaskFolder,
)
from tiae_zoo.data.backgrounds import NoiseBackgrounds, PhotoBackgrounds

SMALL = {"image_size": 32, "batch_size": 4, "num_workers": 0}
OWN = {"images": "folder/images", "masks": "folder/masks"}
DEPTHS = {"images": "depths", "channels": 1, "value_range": (0, 2000)}
MODULES = {
    "mnist": lambda **k: MNIST(**SMALL | k),
    "digits": lambda **k: MNIST(**SMALL | {"source": "digits"} | k),
    "colored": lambda **k: Colored2MNIST(**SMALL | {"num_train": 16, "num_val": 8, "num_test": 8} | k),
    "cluttered": lambda **k: ClutteredMNIST(**SMALL | k),
    "distorted": lambda **k: DistortedMNIST("cluttered", **SMALL | k),
    "sequences": lambda **k: DistortedMNIST(num_digits=3, **SMALL | {"image_size": 60} | k),
    "lfw": lambda **k: LFW(**SMALL | k),
    "flowers": lambda **k: Flowers(**SMALL | k),
    "flowers official": lambda **k: Flowers(**SMALL | {"protocol": "official"} | k),
    "cub": lambda **k: CUB(**SMALL | k),
    "cub official": lambda **k: CUB(**SMALL | {"protocol": "official"} | k),
    "folder": lambda **k: Folder(**SMALL | OWN | k),
    "folder without masks": lambda **k: Folder(**SMALL | OWN | {"masks": None} | k),
    "lfw parts": lambda **k: LFWParts(**SMALL | k),
    "grasps": lambda **k: MaskFolder(**SMALL | {"folder": "grasps", "classes": {"hand": 1, "object": 2}} | k),
    "grasps as found": lambda **k: MaskFolder(**SMALL | {"folder": "grasps"} | k),
    "depths": lambda **k: Folder(**SMALL | DEPTHS | k),
    "digits on noise": lambda **k: MNIST(**SMALL | {"source": "digits", "backgrounds": NoiseBackgrounds()} | k),
    "folder on photos": lambda **k: Folder(
        **SMALL | OWN | {"masks": None, "backgrounds": PhotoBackgrounds("rooms")} | k
    ),
}
