"""Reads numbers as JSON may hold them: also written as text, and never one that no arithmetic survives."""


def finite_number(value: object, *, below: float) -> float | None:
    """Read ``10``, ``10.0`` or ``"10"``; None for anything that is no number, or one of `below` or more."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        read = float(value)
    except (ValueError, OverflowError):
        return None
    return read if abs(read) < below else None  # false for what is not a number
