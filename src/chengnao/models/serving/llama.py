"""GGUF models through llama.cpp, which `xllamacpp` (the extra `llm`) carries with its own HTTP server."""

import re
import signal
import threading
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from chengnao.kernel.errors import Unavailable
from chengnao.models.serving import HOST, Serving

_CONTEXT = 4096
_ERRORS_ALONE = 1


def serve(what: Serving) -> None:
    """Serve until the process is told to end."""
    if find_spec("xllamacpp") is None:
        raise Unavailable("llm_not_installed", retry_after=3600)
    llama = import_module("xllamacpp")
    try:
        server = llama.Server(_parameters(llama, what))
    except RuntimeError as error:
        raise Unavailable("model_does_not_load", retry_after=60, id=what.card.id, reason=str(error)) from error
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: told.set())
    print(f"{what.name}: {server.listening_address}", flush=True)
    told.wait()
    while _busy(server):
        time.sleep(0.1)


def _busy(server: Any) -> bool:
    """Whether a call is being answered."""
    found = re.search(r"^llamacpp:requests_(?:processing|deferred) [1-9]", str(server.handle_metrics()), re.MULTILINE)
    return found is not None


def _parameters(llama: Any, what: Serving) -> Any:
    values = llama.CommonParams()
    values.model.path = str(what.folder / what.card.files[0].name)
    values.model_alias = {what.name}
    values.hostnames = [HOST]
    values.port = what.port
    values.ui = False
    values.endpoint_metrics = True
    values.endpoint_slots = False  # it would show the prompts of others
    values.verbosity = _ERRORS_ALONE
    values.n_ctx = what.card.context_tokens or _CONTEXT
    values.n_parallel = 1  # a processor serves one after the other faster than several at once
    values.cache_ram_mib = 0  # prompts of earlier callers are not kept; by default they may take 8 GiB
    # Threads that spin while they wait take the processor from all others: measured, 46 tokens a second became 1.
    for each in (values.cpuparams, values.cpuparams_batch):
        each.n_threads = what.threads
        each.poll = 0
    return values
