# scikit-learn has no types. Without these, mypy takes for Any what its decorators return.

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

class CallbackSupportMixin:
    """scikit-learn's, or what stands where it has none."""

def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[F], F]: ...
def validate_params(
    parameter_constraints: dict[str, Any], *, prefer_skip_nested_validation: bool
) -> Callable[[F], F]: ...
def with_callbacks(method: F) -> F: ...
def __getattr__(name: str) -> Any: ...
