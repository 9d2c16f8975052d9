"""What is known of the networks of collections, as plain data, and docs/models.md, which shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import jinja2
from pydantic import TypeAdapter, ValidationError

from penni_escalate.common.errors import UserError
from penni_escalate.common.paths import relative
from penni_escalate.common.results import write_atomically, write_json
from penni_escalate.common.validation import first_problem


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


def write_found(record: Path, page: Path, known: Mapping[str, Found], titles: Sequence[str]) -> None:
    """Write the file and its page.

    Args:
        known: by title.
        titles: of all networks, in the order of the file.
    """
    found = [known[title] for title in titles if title in known]
    write_json(record, [asdict(one) for one in found])
    write_atomically(page, models_page(found, titles).encode())


def models_page(found: Sequence[Found], titles: Sequence[str]) -> str:
    """The page; it names the networks that nothing is known of."""
    text = (Path(__file__).resolve().parent.parent / "templates" / "models.md.j2").read_text()
    template = jinja2.Template(text, keep_trailing_newline=True)
    untried = [title for title in titles if title not in {one.title for one in found}]
    return template.render(found=found, untried=untried, accepted=sum(not one.refused for one in found))
