"""Balance checks and reconciliation: our book, and the core's word where it can be asked, outside transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.intake.core_port import CoreBalance, CorePort
from services.intake.domain.announcement import totals
from services.intake.domain.assessment import assess
from services.intake.domain.book import Book
from services.intake.domain.comparison import FieldDifference, compare
from services.intake.domain.policy import DelinquencyPolicy
from services.intake.schemas import BalanceAnswer, BalanceCheckItem, Difference, Reconciliation
from services.intake.store import books, cases, days, feed_suspensions
from shared.clock import Clock
from shared.database import Database
from shared.events.codec import format_time
from shared.money import Money
from shared.security.signing import SigningKey
from shared.web.client import RemoteProblem, RemoteUnavailable
from shared.web.problems import KnownProblem, TemporarilyUnavailable

BALANCE_KIND = "balance+jwt"
_SHOWN_DIFFERENCES = 1_000
_PARTIES_PER_READ = 1_000


class CoreNotConfigured(KnownProblem):  # problems read as facts
    """This deployment knows no balance port of the core, so there is nothing to compare with."""

    kind, status, title = "core-not-configured", 409, "No balance port of the core is configured"


class OtherBusinessDate(KnownProblem):  # problems read as facts
    """The core's books stand at another business date than the one asked for."""

    kind, status, title = "other-business-date", 409, "The core stands at another business date"


@dataclass(frozen=True)
class Balances:
    """Answers about what is owed. `core` is None where the deployment knows no balance port."""

    database: Database
    policy: DelinquencyPolicy
    clock: Clock
    key: SigningKey
    core: CorePort | None

    async def check(self, items: Sequence[BalanceCheckItem]) -> list[BalanceAnswer]:
        """Signed answers. Raises TemporarilyUnavailable when neither the core answers nor the topic has been read."""
        async with self.database.read_only() as uow:
            cores = await cases.cores(uow, [item.party_id for item in items])
            known = await books.load(uow, cores)
            read_up_to = await days.read_up_to(uow)
            suspended = await feed_suspensions.standing(uow)
        stated: dict[str, CoreBalance] | None = None
        as_of: datetime | None = read_up_to
        if self.core is not None:
            asked_at = self.clock.real_now()
            references = sorted({reference for book in known.values() for reference in book.loans})
            try:
                stated, as_of = await self.core.balances(references), asked_at
            except (RemoteUnavailable, RemoteProblem):
                stated = None  # the book answers, with its own age; whoever asks decides whether that is too old
        if as_of is None:
            raise TemporarilyUnavailable(
                "the core does not answer and its topic was not read yet", retry_after_seconds=2
            )
        return [self._answer(item, known.get(item.party_id), stated, as_of, suspended) for item in items]

    def _answer(
        self, item: BalanceCheckItem, book: Book | None, stated: Mapping[str, CoreBalance] | None, as_of: datetime,
        suspended: Mapping[str, str],
    ) -> BalanceAnswer:  # fmt: skip
        if book is None or book.case is None or book.case.case_id != item.case_id:
            return BalanceAnswer(party_id=item.party_id, known=False)
        state = assess(book, book.case.as_of, self.policy)
        ours = totals(state.overdue_minor)
        amounts, days_past_due = ours, state.days_contractual
        if stated is not None:
            amounts, days_past_due = _stated(book, stated)
        answer = BalanceAnswer(
            party_id=item.party_id,
            known=True,
            overdue_totals=amounts,
            bucket=self.policy.bucket(days_past_due, book.case.as_of),
            as_of=as_of,
            basis="book" if stated is None else "core",
            differs=amounts != ours,
            suspended=suspended.get(book.core),
        )
        document = answer.model_dump(
            mode="json", include={"overdue_totals", "bucket", "basis", "differs", "suspended"}
        ) | {
            "iss": "intake",
            "sub": str(item.party_id),
            "case_id": str(item.case_id),
            "tenant": self.database.settings.tenant,
            "as_of": format_time(as_of),
        }
        return answer.model_copy(update={"answer": self.key.sign_document(document, kind=BALANCE_KIND)})

    async def reconcile(self, business_date: date | None) -> Reconciliation:
        """Compare loan by loan. Raises CoreNotConfigured, OtherBusinessDate, TemporarilyUnavailable."""
        if self.core is None:
            raise CoreNotConfigured()
        try:
            stated = {balance.loan_ref: balance async for balance in self.core.all_balances()}
        except (RemoteUnavailable, RemoteProblem) as error:
            raise TemporarilyUnavailable("the core does not answer", retry_after_seconds=2) from error
        day = _day_of(stated, business_date)
        comparison = _Comparison(stated, day, self.policy)
        after: UUID | None = None
        while True:
            async with self.database.read_only() as uow:
                parties = await cases.parties_page(uow, after=after, limit=_PARTIES_PER_READ)
                loaded = await books.load(uow, parties)
            for party_id in sorted(loaded):
                comparison.add(loaded[party_id])
            if len(parties) < _PARTIES_PER_READ:
                return comparison.result()
            after = max(parties)


def _stated(book: Book, stated: Mapping[str, CoreBalance]) -> tuple[list[Money], int]:
    """The core's totals and worst days past due over the loans of a book."""
    sums: dict[str, int] = {}
    worst = 0
    for reference in book.loans:
        balance = stated.get(reference)
        if balance is None or balance.overdue_minor == 0:
            continue
        sums[balance.currency] = sums.get(balance.currency, 0) + balance.overdue_minor
        if balance.oldest_due_date is not None:
            worst = max(worst, (balance.business_date - balance.oldest_due_date).days)
    return totals(sorted(sums.items())), worst


def _day_of(stated: Mapping[str, CoreBalance], business_date: date | None) -> date:
    found = {balance.business_date for balance in stated.values()}
    if len(found) != 1 or (business_date is not None and business_date not in found):
        raise OtherBusinessDate("the core stands at " + (", ".join(map(str, sorted(found))) or "no date: no loans"))
    return found.pop()


class _Comparison:
    """Differences between the core's balances and our books, gathered party by party."""

    def __init__(self, stated: Mapping[str, CoreBalance], day: date, policy: DelinquencyPolicy) -> None:
        self._stated = stated
        self._day = day
        self._policy = policy
        self._seen: set[str] = set()
        self._sums: dict[str, int] = {}
        self._differences: list[FieldDifference] = []

    def add(self, book: Book) -> None:
        """Compare the loans of one party."""
        late = {loan.loan_ref: loan.overdue_minor for loan in assess(book, self._day, self._policy).loans}
        for reference, loan in book.loans.items():
            if loan.terms is not None:
                self._seen.add(reference)
            if loan.terms is not None and reference in self._stated:
                currency = loan.terms.currency
                self._sums[currency] = self._sums.get(currency, 0) + late.get(reference, 0)
        self._differences += compare(book, self._stated, self._day, self._policy)

    def result(self) -> Reconciliation:
        """The comparison, late loans that only the core knows included."""
        for reference, core in sorted(self._stated.items()):
            if reference not in self._seen and core.overdue_minor > 0:
                self._differences.append(FieldDifference(reference, "loan", None, "past due"))
        self._differences.sort(key=lambda found: (found.loan_ref, found.field))
        return Reconciliation(
            business_date=self._day,
            loans_compared=len(self._seen & self._stated.keys()),
            loans_of_core=len(self._stated),
            overdue_totals=totals(sorted(self._sums.items())),
            differences=len(self._differences),
            items=[Difference.model_validate(found._asdict()) for found in self._differences[:_SHOWN_DIFFERENCES]],
        )
