"""`python -m chengnao.sensing.edge FOLDER`: the edge process without the rest of the platform's code in memory."""

import logging
import sys
from pathlib import Path

from chengnao.kernel.errors import ChengnaoError
from chengnao.sensing.edge.process import main

logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
logging.getLogger("httpx").setLevel(logging.WARNING)
try:
    sys.exit(main(Path(sys.argv[1])))
except ChengnaoError as error:
    print(f"{error.text('zh')}\n{error.text('en')}", file=sys.stderr)
    sys.exit(2)
