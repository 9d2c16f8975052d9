"""PENNI + ESCALATE: compression pipeline, generated sparse accelerator, golden model and verification environment.

The parts are the top folders of the repository, linked into this package: ``common``, ``configs``, ``rtl``,
``golden``, ``tb``, ``compress``, and ``packages``, the networks that ship.
"""

from penni_escalate.common.versions import project_version

__version__ = project_version()
