"""The tables of all modules, gathered for Alembic."""

from importlib import import_module
from pkgutil import walk_packages

import chengnao
from chengnao.kernel.database import Base

for module in walk_packages(chengnao.__path__, "chengnao."):
    if module.name.endswith(".tables"):
        import_module(module.name)

METADATA = Base.metadata
