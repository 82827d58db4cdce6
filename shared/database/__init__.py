"""The service's own database: engine, unit of work, migrations, platform tables."""

from shared.database.engine import Database
from shared.database.session import ReadOnlyTransactionError
from shared.database.unit_of_work import UnitOfWork

__all__ = ["Database", "ReadOnlyTransactionError", "UnitOfWork"]
