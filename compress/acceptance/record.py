"""What is known of the networks of collections, as plain data, and docs/models.md, which shows it."""

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.results import write_atomically, write_json
from penni_escalate.common.validation import first_problem

_HEAD = """# Networks of collections

Which networks are accepted, of the collections that people use.
`penni-escalate compress models` tries them and writes this page from `configs/models.json`; a run that was stopped goes on.

*Accepted*: the network is read, its layers equal its module to 1e-9 in float64, it is decomposed, pruned, quantized and folded, and one image through the package gives the same integers in golden/ as in PyTorch.
Weights and image are drawn; nothing is trained.
Every network has the smallest image that it takes, at least 32 x 32 pixels.

The collections are Python packages that nothing else needs.
`pip install --no-deps --target build/models -r requirements-models.txt` installs them for this command alone, beside the environment; those that are missing are left out, and what is known of their networks stays.

| collection | network | image | accepted | layers |
|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Found:
    """What became of a network.

    Attributes:
        collection, name: of the network.
        version: of the collection.
        side: height and width of the image.
        layers: of the graph; 0 where it was refused.
        refused: what is not supported, or went wrong, '' where it was accepted.
        seconds: that it took.
    """

    collection: str
    name: str
    version: str
    side: int
    layers: int
    refused: str
    seconds: float

    @property
    def title(self) -> str:
        """The name with its collection's."""
        return f"{self.collection}/{self.name}"


_ADAPTER = TypeAdapter(tuple[Found, ...])


def read_found(path: Path) -> dict[str, Found]:
    """What a file knows, by the networks' titles; nothing where there is no file.

    Raises UserError where it is not such a file.
    """
    try:
        found = _ADAPTER.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise UserError(
            f"{relative(path)} does not hold what became of networks ({first_problem(error)}): remove it, or name "
            "another file with --record."
        ) from None
    return {one.title: one for one in found}


def write_found(record: Path, page: Path, found: tuple[Found, ...]) -> None:
    """Write the file and its page."""
    write_json(record, [asdict(one) for one in found])
    write_atomically(page, models_page(found).encode())


def models_page(found: tuple[Found, ...]) -> str:
    """The page."""
    rows = [
        f"| {one.collection} {one.version} | `{one.name}` | {one.side} x {one.side} | "
        f"{'no: ' + one.refused.replace('|', '/') if one.refused else 'yes'} | {one.layers or '-'} |\n"
        for one in found
    ]
    accepted = sum(not one.refused for one in found)
    return "".join([_HEAD, *rows, f"\n{accepted} of {len(found)} are accepted.\n"])
