"""`fineract`: what an operator decides about a core of the kind Apache Fineract."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from cli.attached import Prefix, attached_settings, refusal

fineract_app = typer.Typer(no_args_is_help=True, help="A core of the kind Apache Fineract.")
console = Console(soft_wrap=True)


@fineract_app.callback()
def fineract() -> None:
    """A core of the kind Apache Fineract."""


@fineract_app.command("broker-changed")
def broker_changed(
    numbers_restart: Annotated[
        bool, typer.Option("--numbers-restart", help="The core counts its messages from 1 again: a new database.")
    ] = False,
    prefix: Prefix = None,
) -> None:
    """Accept the core's present broker and read its topic from its beginning; what was read before has no effect.

    For another cluster, or a topic that was made again. Intake must be stopped, and no dead letter of the topic open.
    Works with the settings of intake (DOORSTEP_INTAKE_FINERACT_...).
    """
    from aiokafka.errors import KafkaError

    from services.intake.fineract.broker import begin_at_broker
    from services.intake.fineract.settings import FineractSettings
    from shared.database import Database
    from shared.messaging.connection import bounded_options
    from shared.messaging.foreign_places import UnsettledLettersError

    foreign, settings = FineractSettings(), attached_settings("intake", prefix)
    if not foreign.is_on:
        raise refusal("refused: DOORSTEP_INTAKE_FINERACT_BOOTSTRAP is not set")
    options = bounded_options("intake-broker-changed") | foreign.client_options(
        production=settings.environment == "production"
    )

    async def run() -> str:
        database = await Database.open(settings, settings.clock(), service="intake")
        try:
            cluster_id, before = await begin_at_broker(
                database, core=foreign.core, topic=foreign.topic, options=options, numbers_restart=numbers_restart
            )
        finally:
            await database.close()
        was = f"{before.partitions} partitions of cluster {before.cluster_id}"
        return f"{foreign.topic}: was at {was if before.partitions else 'no position'}, begins anew at {cluster_id}"

    try:
        console.print(asyncio.run(run()), markup=False)
    except (UnsettledLettersError, KafkaError, OSError) as error:
        raise refusal(f"refused: {error}") from error
