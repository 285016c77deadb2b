"""`python -m chengnao.sensing.edge FOLDER`: the edge process without the rest of the platform's code in memory."""

import logging
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from chengnao.kernel.errors import ChengnaoError


class _WithoutPandas(MetaPathFinder):
    """Arrow loads pandas wherever it is installed, 50 MiB for conversions that nobody asks for here."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname, name=fullname)
        return None


def _main() -> int:
    sys.meta_path.insert(0, _WithoutPandas())
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # the other one keeps what a burst has needed
    from chengnao.sensing.edge.process import main  # noqa: PLC0415  (after pandas is out of reach)

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        return main(Path(sys.argv[1]))
    except ChengnaoError as error:
        print(f"{error.text('zh')}\n{error.text('en')}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(_main())
