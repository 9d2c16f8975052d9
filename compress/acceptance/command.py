"""``penni-escalate compress models`` and ``random-networks``: whether networks are accepted, without training."""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from penni_escalate.common import shared_folder
from penni_escalate.common.errors import UserError
from penni_escalate.common.options import Folder
from penni_escalate.common.paths import BASE, BUILD, relative
from penni_escalate.compress.acceptance.record import Found, read_found, write_found

if TYPE_CHECKING:
    from penni_escalate.compress.acceptance.collections import Model

_RECORD = BASE / "configs" / "models.json"
_PAGE = BASE / "docs" / "models.md"
_SEED_MAX = 2**31 - 1


@click.command()
@click.option("--only", "names", multiple=True, metavar="NAME", help="Try this network, as resnet18; give several.")
@click.option("--again", is_flag=True, help="Try also what is known of this version of a collection.")
@click.option("--record", type=click.Path(path_type=Path), default=_RECORD, help="What is known [configs/models.json].")
@click.option("--page", type=click.Path(path_type=Path), default=_PAGE, help="The same as a page [docs/models.md].")
@click.option(
    "--packages", type=Folder(), default=BUILD / "models", help="Where collections may be installed [build/models]."
)
def models(names: tuple[str, ...], again: bool, record: Path, page: Path, packages: Path) -> None:
    """Try the networks of torchvision and timm, and write which are accepted.

    A network that is known of the installed version is not tried again; what is known is kept as it comes.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    known = read_found(record)
    sys.path.insert(0, str(packages.absolute()))
    from penni_escalate.compress.acceptance.collections import MODELS, Collection, declare_operators, missing, version

    # Lightning imports torchvision where it is installed.
    declare_operators()
    for name in names:
        if name not in {model.name for model in MODELS}:
            raise UserError(f"Network '{name}' is not known: use one of {', '.join(model.name for model in MODELS)}.")
    console = Console()
    versions = {}
    for collection in Collection:
        problem = missing(collection, packages)
        if problem:
            _say(console, problem)
        else:
            versions[collection] = version(collection)
    chosen = [model for model in MODELS if model.collection in versions and (not names or model.name in names)]
    try:
        lock = shared_folder.hold(shared_folder.keyed(BUILD / "acceptance" / record.name, str(record.absolute())))
    except BlockingIOError:
        raise UserError(f"Another command writes {relative(record)}: let it end first, or name another file.") from None
    with lock:
        for model in chosen:
            before = known.get(model.title)
            if (
                before is not None
                and not again
                and (before.version, before.side)
                == (
                    versions[model.collection],
                    model.side,
                )
            ):
                continue
            found = _found(model, versions[model.collection])
            known[model.title] = found
            write_found(record, page, known, [one.title for one in MODELS])
            _say(
                console, f"{found.title}: {found.refused or f'accepted, {found.layers} layers'}, {found.seconds:.0f} s"
            )
    if not known:
        raise UserError(f"Nothing is known of any network: install the collections of {_requirements()}.")
    accepted = sum(not one.refused for one in known.values())
    _say(console, f"{accepted} of {len(known)} networks are accepted: {relative(page)}, {relative(record)}.")


def _requirements() -> str:
    from penni_escalate.compress.acceptance.collections import REQUIREMENTS

    return REQUIREMENTS


def _found(model: "Model", version: str) -> Found:
    import torch

    from penni_escalate.compress.acceptance.collections import make_model
    from penni_escalate.compress.acceptance.trial import refusal, try_network

    begin = time.perf_counter()
    layers, refused = 0, ""
    torch.manual_seed(1)
    try:
        layers = len(try_network(make_model(model), model.name, (3, model.side, model.side)).graph.layers)
    except UserError as error:
        refused = refusal(error)
    seconds = round(time.perf_counter() - begin, 1)
    return Found(str(model.collection), model.name, version, model.side, layers, refused, seconds)


@click.command("random-networks")
@click.option("--count", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Networks.")
@click.option("--first", type=click.IntRange(0, _SEED_MAX), default=0, show_default=True, help="Seed of the first one.")
@click.option("--onnx", is_flag=True, help="Write each as an ONNX file, and try what is read of it.")
def random_networks(count: int, first: int, onnx: bool) -> None:
    """Draw networks of all supported operators, and compare module, layers and integers of each.

    Ends with status 1 where one is refused or differs; its steps are printed. With --onnx, one of whose operators the
    exporter makes something that no layer is may be refused.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from penni_escalate.compress.acceptance.random_network import draw_network
    from penni_escalate.compress.acceptance.through_onnx import through_onnx
    from penni_escalate.compress.acceptance.trial import try_network
    from penni_escalate.compress.acceptance.used import operators_used, unused
    from penni_escalate.compress.frontend import UnsupportedError

    console = Console()
    wrong, refused, used = 0, 0, set[str]()
    for seed in range(first, first + count):
        network, shape = draw_network(seed)
        name = f"random-{seed}"
        try:
            with tempfile.TemporaryDirectory() as folder:
                tried = through_onnx(network, name, shape, Path(folder), seed) if onnx else network
                trial = try_network(tried, name, shape, images=2, seed=seed)
            used |= operators_used(trial.program)
            _say(console, f"random-{seed}: {len(trial.graph.layers)} layers, equal in every form.")
        except UserError as error:
            if onnx and isinstance(error, UnsupportedError):
                refused += 1
                _say(console, str(error))
                continue
            wrong += 1
            size = " x ".join(str(side) for side in shape)
            _say(console, f"{error}\nIts images are {size}; --first {seed} --count 1 draws it again:")
            _say(console, "\n".join(f"  {line}" for line in network.lines))
    _say(
        console,
        f"{count - wrong - refused} of {count} networks: layers equal the module, golden's integers are PyTorch's.",
    )
    never = unused(used)
    _say(console, f"Operators that none of them has: {', '.join(never) or 'none'}.")
    if wrong:
        raise SystemExit(1)


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True, markup=False)
