"""Writes the interface's own document, from which the console's types are made: `scripts/openapi.py FILE`."""

import json
import sys
from pathlib import Path
from typing import Any, cast

from chengnao.api.app import create_app
from chengnao.kernel.clock import SystemClock
from chengnao.kernel.settings import Settings
from chengnao.kernel.web import Context

# The routes are asked for their shapes alone: no engine is needed.
engine = cast(Any, None)
app = create_app(Context(Settings(), SystemClock(), engine, engine, engine), engine)
Path(sys.argv[1]).write_text(json.dumps(app.openapi()), "utf-8")
