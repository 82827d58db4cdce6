"""Where a group of topics is read: on our own broker, or a foreign topic on its owner's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.database.engine import Database
from shared.messaging import inbox
from shared.messaging.connection import bounded_options, client_options
from shared.messaging.probe import probe_broker
from shared.messaging.subscription import Subscription


class Membership:
    """One consumer group. `names`: the topics as we call them, by their true names on the broker."""

    def __init__(self, database: Database, subscriptions: Sequence[Subscription], *, name: str) -> None:
        settings = database.settings
        self._database = database
        self._name = name
        self._foreign = next((item.foreign for item in subscriptions if item.foreign is not None), None)
        self.names = {
            settings.prefix + item.topic if item.foreign is None else item.foreign.name: item.topic
            for item in subscriptions
        }
        self.group = self._foreign.group if self._foreign else f"{settings.prefix}{database.service}.{name}"

    def options(self, purpose: str) -> dict[str, Any]:
        """Keyword arguments of an aiokafka client for `purpose`."""
        client_id = f"{self._database.service}-{purpose}"
        if self._foreign is not None:
            return bounded_options(client_id) | dict(self._foreign.options)
        return client_options(self._database.settings, client_id=client_id)

    async def check_broker(self) -> str:
        """The cluster's id. Raises ConsumerHaltedError for another cluster than before, KafkaError for missing rights.

        A foreign topic's positions answer for themselves; ours all belong to one cluster.
        """
        cluster_id = await probe_broker(self.options("probe"), list(self.names), service=self._database.service)
        async with self._database.unit_of_work() as uow:
            if self._foreign is None:
                await inbox.check_cluster(uow, cluster_id)
            else:
                await inbox.check_foreign_cluster(uow, self._name, cluster_id)
        return cluster_id
