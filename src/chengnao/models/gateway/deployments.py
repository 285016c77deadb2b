"""What the gateway needs to know of models that the platform runs itself."""

from typing import Protocol

from chengnao.kernel.errors import Unavailable


class Deployments(Protocol):
    """Where deployed models are reached."""

    def address(self, name: str) -> list[str]:
        """Base URLs of the healthy replicas, such as `http://127.0.0.1:9001/v1`, in the order to try them in.

        Asked for each call and kept in memory: it must answer at once. Whoever implements it shares the load among
        replicas and versions by the order that it gives; empty where nothing runs.
        """

    def why_none(self, name: str) -> Unavailable:
        """Why `address` gives none: nothing is installed, it is starting, it does not start; and what to do."""
