"""PENNI + ESCALATE: compression pipeline, generated sparse accelerator, golden model and verification environment.

The parts are the top folders of the repository, linked into this package: ``common``, ``configs``, ``rtl``,
``golden``, ``tb``, ``compress``, and ``packages``, the networks that ship.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("penni-escalate")
except PackageNotFoundError:
    __version__ = "not installed"
