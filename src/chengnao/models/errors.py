"""What can keep a model from answering."""

from chengnao.kernel.errors import TooMany, Unavailable


class ModelUnavailable(Unavailable):
    """No model answers: off, down, too slow, none that may see such data, or nothing usable in the answer."""


class BudgetSpent(TooMany):
    """A budget of requests, tokens or money does not allow the call; the parameters say which one."""
