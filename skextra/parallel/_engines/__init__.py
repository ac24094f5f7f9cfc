"""Who runs attempts: each engine offers the methods of `Engine`; the scheduler knows no more."""

from skextra.parallel._engines._engine import Died, Ended, Engine
from skextra.parallel._engines._processes._engine import ProcessEngine as local_engine
from skextra.parallel._engines._processes._fork_server import forget_server as forget_local_engines
from skextra.parallel._engines._processes._fork_server import stop_server as stop_local_engines

__all__ = [
    "Died",
    "Ended",
    "Engine",
    "forget_local_engines",
    "local_engine",
    "stop_local_engines",
]
