"""`python -m chengnao.models.serving --model ID --port N`."""

import argparse
import logging
import os
import sys
from pathlib import Path

from chengnao.kernel.errors import ChengnaoError
from chengnao.kernel.settings import default_home
from chengnao.models.serving import serve, serving


def main() -> int:
    """Serve one model; exit code 2 with both texts where it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m chengnao.models.serving")
    parser.add_argument("--model", required=True, help="id of the model")
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--home", type=Path, default=None, help="data folder")
    parser.add_argument("--folder", default=None, help="where the files lie, relative to the data folder")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0, help="lower priority, 0 to 19")
    given = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.nice(given.nice)
    try:
        serve(serving(given.home or default_home(), given.model, given.folder, given.port, given.threads))
    except ChengnaoError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
