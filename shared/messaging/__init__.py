"""The event runtime: consumers, inbox, outbox, relay, intents, parking, heartbeats."""

from shared.messaging.intents import Answer, Intent, IntentHandler, NewIntent, TimerDue, TimerHandler
from shared.messaging.subscription import HeartbeatHook, InboxKey, Outcome, Subscription

__all__ = [
    "Answer",
    "HeartbeatHook",
    "InboxKey",
    "Intent",
    "IntentHandler",
    "NewIntent",
    "Outcome",
    "Subscription",
    "TimerDue",
    "TimerHandler",
]
