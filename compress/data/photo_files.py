"""The colour photographs that ship in scikit-image and scikit-learn."""

from pathlib import Path

from penni_escalate.compress.data.files import shipped_file

_SCIKIT_IMAGE = ("skimage", "scikit-image==0.26.0")
_SCIKIT_LEARN = ("sklearn", "scikit-learn==1.9.1")
_FILES = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "ihc": "ihc.png",
    "retina": "retina.jpg",
    "hubble_deep_field": "hubble_deep_field.jpg",
    "rocket": "rocket.jpg",
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "china": "china.jpg",
    "flower": "flower.jpg",
}
_OF_SCIKIT_LEARN = ("china", "flower")
#: The licence of two photographs, CC BY 2.0, asks for their authors' names.
ATTRIBUTION = "china.jpg by danielbuechele and flower.jpg by vultilion, CC BY 2.0"


def photo_file(name: str) -> Path:
    """The file of a photograph.

    Raises UserError where the package that ships it is not installed.
    """
    if name in _OF_SCIKIT_LEARN:
        return shipped_file(*_SCIKIT_LEARN, "datasets", "images", _FILES[name])
    return shipped_file(*_SCIKIT_IMAGE, "data", _FILES[name])
