"""The ledger of approvals as a state machine: whatever is tried in whatever order, a call is made at most once."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chengnao.agents.model import Effect
from chengnao.agents.runtime.model import APPROVAL_LASTS, Approval, ApprovalState
from chengnao.kernel.access.model import Principal, Role
from chengnao.kernel.errors import ChengnaoError

START = datetime(2026, 11, 25, tzinfo=UTC)
ASKER = Principal("asker", "甲", "user", frozenset({Role.DUTY_OFFICER}), "500000")
OTHER = Principal("other", "乙", "user", frozenset({Role.DUTY_OFFICER}), "500000")
END = (ApprovalState.REFUSED, ApprovalState.EXPIRED, ApprovalState.USED)


class Ledger(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.granted_at: datetime | None = None
        self.uses = 0
        self.ended: ApprovalState | None = None
        self.approval = Approval(
            id="a",
            run_id="r",
            call_id="c1",
            agent_id="agent",
            version=1,
            tool="desk.note",
            effect=Effect.WRITE,
            arguments={"words": "甲"},
            digest="right",
            state=ApprovalState.OPEN,
            asked_by=ASKER.id,
            asked_by_name=ASKER.name,
            asked_at=START,
            expires_at=START + APPROVAL_LASTS,
            division_code="500000",
            unit_id=None,
        )

    @rule(hours=st.floats(0, 10))
    def time_passes(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    @rule(actor=st.sampled_from([ASKER, OTHER]), grant=st.booleans())
    def somebody_decides(self, actor: Principal, grant: bool) -> None:
        before = self.approval.at(self.now).state
        try:
            self.approval = self.approval.decided(actor, self.now, grant=grant, reason="")
        except ChengnaoError:
            assert actor is ASKER or before is not ApprovalState.OPEN
            return
        assert actor is OTHER
        assert before is ApprovalState.OPEN
        self.granted_at = self.now if grant else None

    @rule(digest=st.sampled_from(["right", "wrong"]))
    def it_is_used(self, digest: str) -> None:
        before = self.approval.at(self.now).state
        try:
            self.approval = self.approval.used(digest, self.now)
        except ChengnaoError:
            assert digest == "wrong" or before is not ApprovalState.GRANTED
            return
        self.uses += 1
        assert digest == "right"
        assert self.granted_at is not None
        assert self.now < self.approval.expires_at

    @rule()
    def it_is_looked_at(self) -> None:
        self.approval = self.approval.at(self.now)

    @precondition(lambda self: self.approval.state in END)
    @rule()
    def it_has_ended(self) -> None:
        self.ended = self.ended or self.approval.state

    @invariant()
    def at_most_one_use_and_no_way_back(self) -> None:
        assert self.uses <= 1
        assert (self.uses == 1) == (self.approval.state is ApprovalState.USED)
        assert self.ended is None or self.approval.state is self.ended


TestLedger = Ledger.TestCase
