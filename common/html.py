"""HTML pages: templates of a part of the project on top of the base page that all share."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2

_SHARED = Path(__file__).resolve().parent / "templates"


def render_page(folder: Path, template: str, **values: Any) -> str:
    """A page of ``folder``'s templates; a name that the template uses and nobody gives is an error."""
    return _environment(folder).get_template(template).render(**values)


@cache
def _environment(folder: Path) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _SHARED]),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
