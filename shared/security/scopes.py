"""The closed catalogue of scopes: what each allows, and which client may hold it. A route names exactly one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Client = Literal[
    "intake",
    "assignment",
    "visits",
    "plans",
    "compliance",
    "core",
    "collector-app",
    "customer-portal",
    "dispatcher",
    "auditor",
    "operator",
    "examiner",
    "complaint-desk",
    "rights-desk",
    "legal-desk",
    "supervisor",
    "trace-sources",
    "cutover",
    "demo-driver",
]
CLIENTS: Final[frozenset[str]] = frozenset(get_args(Client))
SERVICES: Final = ("intake", "assignment", "visits", "plans", "compliance")
# Compliance has this scope too, for more clients, and keeps each reading in its log.
_GIVING: Final = ("intake", "assignment", "visits", "plans")


@dataclass(frozen=True)
class Scope:
    """One permission: its name (`<service>.<verb>`), what it allows, and the clients that may be granted it."""

    name: str
    allows: str
    clients: frozenset[str]


def _scope(name: str, allows: str, *clients: Client) -> Scope:
    # The demo driver plays every person of the demo; it exists only at the development issuer.
    return Scope(name, allows, frozenset(clients) | {"demo-driver"})


_ALL: Final = (
    # intake
    _scope(
        "intake.read", "Read cases, loans and arrangements without contact data.", "dispatcher", "auditor", "operator"
    ),
    _scope(
        "intake.read-contact-card",
        "Read a party's contact card under a permit, and exact points for routes; diallers and printers too.",
        "assignment",
        "visits",
        "core",
    ),
    _scope(
        "intake.answer-person",
        "Read a party's data to answer the person's own request or complaint; never collections.",
        "rights-desk",
        "complaint-desk",
    ),
    _scope(
        "intake.search-person",
        "Find a party by number, name with birthday, or the core's reference; values stay masked.",
        "core",
        "rights-desk",
        "complaint-desk",
    ),
    _scope(
        "intake.export-cases", "Take the list of cases away as a file, without contact data.", "auditor", "operator"
    ),
    # No service and nobody who plans visits holds it: a score orders help or contact through the strategy alone.
    _scope("intake.read-score", "Read what will probably become of a case, with reasons.", "auditor", "operator"),
    _scope("intake.record-demand", "Record and revoke what may be demanded of a guarantor.", "legal-desk"),
    _scope("intake.record-facts", "Send loan and party facts over HTTP instead of the topic.", "core"),
    _scope(
        "intake.record-steps",
        "Say which softer steps the bank has taken with a person, and that a person has reviewed a case.",
        "core",
        "cutover",
    ),
    _scope("intake.release-feed", "Answer for it that a suspended core can be believed again; a person.", "operator"),
    _scope("intake.cut-over", "Learn our ids of the people and debts that a core names.", "cutover"),
    _scope("intake.check-balance", "Ask for a signed balance answer about a party.", "compliance", "visits"),
    # assignment
    _scope("assignment.read", "Read collectors and routes.", "dispatcher", "auditor", "operator", "visits"),
    _scope("assignment.plan", "Start planning for a field day.", "dispatcher"),
    _scope("assignment.manage-collectors", "Register collectors, their shifts and vehicles.", "dispatcher"),
    # visits
    _scope("visits.read", "Read visits.", "dispatcher", "auditor", "operator", "collector-app"),
    _scope("visits.answer-offer", "Accept, decline or move an offered visit, as the customer.", "customer-portal"),
    _scope(
        "visits.carry-messages", "Read the messages for customers, links included, to carry them (message gateway)."
    ),
    _scope("visits.read-door", "Ask who is at the door, with the code that the crew shows.", "customer-portal"),
    _scope("visits.answer-alarm", "Say that somebody looks after an alarm.", "dispatcher"),
    _scope("visits.set-off", "Report that the collector is on the way.", "collector-app"),
    _scope("visits.check-in", "Begin a visit at the door, with its permit.", "collector-app"),
    _scope("visits.check-out", "End a visit; always accepted.", "collector-app"),
    _scope("visits.sync-device", "Say that a device has told everything done with it.", "collector-app", "dispatcher"),
    _scope("visits.send-sos", "Call for help; always accepted.", "collector-app", "dispatcher"),
    _scope(
        "visits.request-stop",
        "Pass on a customer's request to stop; always accepted.",
        "collector-app",
        "customer-portal",
    ),
    # plans
    _scope(
        "plans.read", "Read repayment plans.", "dispatcher", "auditor", "operator", "customer-portal", "collector-app"
    ),
    _scope("plans.propose", "Propose a plan for a party.", "collector-app", "customer-portal", "dispatcher"),
    _scope("plans.sign", "Sign a proposed plan, as the customer.", "customer-portal", "collector-app"),
    # Never who collects: a person without collection targets looks at the reason.
    _scope("plans.review", "Decide about a plan that is not kept; never collections.", "complaint-desk", "operator"),
    _scope("plans.cut-over", "Import plans and promises that run on from another system.", "cutover"),
    # compliance
    _scope(
        "compliance.read-windows",
        "Ask when a party may lawfully be contacted.",
        "assignment",
        "visits",
        "plans",
        "core",
    ),
    _scope("compliance.request-permit", "Ask for a permit for one contact.", "assignment", "visits", "plans", "core"),
    _scope("compliance.use-permit", "Redeem or release a permit.", "assignment", "visits", "plans", "core"),
    _scope("compliance.report-device", "Report a device as lost, or that it was heard again.", "dispatcher", "visits"),
    _scope(
        "compliance.close-lost-device",
        "Answer for it that the permits on a lost device were not used; never collections.",
        "operator",
    ),
    _scope("compliance.report-contact", "Report a contact made outside these services.", "core", "dispatcher"),
    _scope(
        "compliance.tell-trace",
        "Tell what a source that collectors do not control knows of contacts; each client for its own sources.",
        "core",
        "visits",
        "customer-portal",
        "trace-sources",
    ),
    _scope(
        "compliance.close-feed-day",
        "Close a day of a feed with its total; each client for its own sources.",
        "core",
        "dispatcher",
        "visits",
        "customer-portal",
        "trace-sources",
    ),
    _scope("compliance.manage-feeds", "Declare the systems that must report contacts.", "operator"),
    _scope("compliance.close-feed", "Answer for it that a system reports nothing any more; a person.", "auditor"),
    _scope("compliance.explain-finding", "Explain a finding.", "dispatcher", "collector-app"),
    _scope(
        "compliance.read-card-readings",
        "See who read whose contact data, what for, and whether a contact followed.",
        "auditor",
    ),
    _scope(
        "compliance.report-conduct",
        "Report misconduct that was heard of a recorded contact; a person, never of collections.",
        "auditor",
        "complaint-desk",
    ),
    _scope("compliance.judge-finding", "Uphold, dismiss or close a finding; never collections' own.", "auditor"),
    _scope("compliance.record-duty", "Answer for it that the institution did what a rule asks; a person.", "auditor"),
    _scope(
        "compliance.take-request",
        "Pass on that a person, or a near relative, uses a right over what is kept; always taken.",
        "rights-desk",
        "complaint-desk",
        "customer-portal",
        "core",
    ),
    _scope("compliance.report-breach", "Report a breach of personal data.", "operator", "auditor", "rights-desk"),
    _scope(
        "compliance.answer-duty",
        "See what is owed because of requests and breaches, and answer it; never collections.",
        "rights-desk",
        "auditor",
    ),
    _scope("compliance.judge-sample", "Judge the daily sample; never whoever decides or overrides.", "auditor"),
    _scope("compliance.read", "Read decisions and findings.", "auditor", "operator", "dispatcher"),
    _scope(
        "compliance.read-holds",
        "Read which holds stand; collections neither complaints nor what lies behind a need.",
        "auditor",
        "operator",
        "dispatcher",
        "complaint-desk",
        "plans",
    ),
    _scope("compliance.grant-examination", "Let an outside examiner read a part of the evidence.", "auditor"),
    _scope("compliance.examine", "Read what an examination was granted for, and nothing else.", "examiner"),
    _scope(
        "compliance.explain-decision",
        "Read a decision in words: collectors in theirs, customers about themselves.",
        "collector-app",
        "customer-portal",
        "dispatcher",
        "auditor",
        "complaint-desk",
    ),
    _scope("compliance.read-log", "Read the audit log: leaves, proofs, checkpoints.", "auditor", "operator"),
    _scope(
        "compliance.request-stop",
        "Pass on a customer's request to stop; always accepted.",
        "visits",
        "plans",
        "collector-app",
        "customer-portal",
        "dispatcher",
    ),
    _scope(
        "compliance.receive-complaint",
        "Pass on a complaint; always accepted.",
        "visits",
        "plans",
        "core",
        "collector-app",
        "customer-portal",
        "dispatcher",
        "complaint-desk",
    ),
    _scope("compliance.handle-complaint", "See, answer and close complaints; never collections.", "complaint-desk"),
    _scope("compliance.set-hold", "Place a hold on a party.", "dispatcher", "plans", "complaint-desk"),
    _scope(
        "compliance.end-hold",
        "End a hold on evidence; never collections, and plans only its own.",
        "complaint-desk",
        "plans",
    ),
    _scope(
        "compliance.tell-facts",
        "Tell facts about a party; each only by the service or system that owns it.",
        "intake",
        "assignment",
        "visits",
        "plans",
        "core",
        "operator",
    ),
    _scope(
        "compliance.tell-preferences",
        "Pass on when a person wants to be contacted.",
        "customer-portal",
        "collector-app",
        "core",
        "dispatcher",
        "complaint-desk",
    ),
    _scope(
        "compliance.tell-request",
        "Record a person's own request to be contacted; never collections' word.",
        "customer-portal",
        "core",
    ),
    _scope(
        "compliance.record-consent",
        "Record that a person agreed to pass a rule, or no longer does; never collections' word.",
        "customer-portal",
        "core",
    ),
    _scope("compliance.hold-for-law", "Keep everything about a person for a legal matter, and end that.", "legal-desk"),
    _scope(
        "compliance.erase",
        "Take people's requests to be erased, carry them out, see who is restricted; never collections.",
        "rights-desk",
    ),
    _scope(
        "compliance.give-access",
        "Read everything kept about a person, restricted or not; each reading is a leaf.",
        "rights-desk",
        "legal-desk",
    ),
    _scope("compliance.cut-over", "Import what another system kept, under two people's signatures.", "cutover"),
    _scope(
        "compliance.read-cutover",
        "Read how far a cut-over is, and whom it leaves out.",
        "cutover",
        "operator",
        "auditor",
        "plans",
    ),
    _scope("compliance.override", "Pass a warning as a supervisor without collection targets.", "supervisor"),
    *(
        _scope(
            f"{service}.give-access",
            f"Read everything that {service} keeps about a person, to give it to that person; each reading is kept.",
            "rights-desk",
        )
        for service in _GIVING
    ),
    # every service
    *(
        scope
        for service in SERVICES
        for scope in (
            _scope(f"{service}.snapshot", f"Read snapshots of what {service} owns, to fill gaps in events.", *SERVICES),
            _scope(
                f"{service}.operate", f"Operate {service}: dead letters, parked parties, replay, republish.", "operator"
            ),
        )
    ),
)

SCOPES: Final[dict[str, Scope]] = {scope.name: scope for scope in _ALL}
if len(SCOPES) != len(_ALL):
    raise AssertionError("a scope is declared twice")


def known_scope(name: str) -> str:
    """`name` itself. Raises ValueError when the catalogue does not hold it."""
    if name not in SCOPES:
        raise ValueError(f"scope {name!r} is not in shared/security/scopes.py")
    return name


def scopes_of(client: str) -> frozenset[str]:
    """Every scope that may be granted to `client`."""
    return frozenset(scope.name for scope in _ALL if client in scope.clients)
