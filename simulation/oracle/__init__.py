"""The oracle: judges a run from raw topics and public answers. It shares no code with the services."""

from simulation.oracle.checks import judge
from simulation.oracle.verdict import Breach, History, Verdict

__all__ = ["Breach", "History", "Verdict", "judge"]
