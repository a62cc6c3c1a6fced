"""Controls for playing bodies by keyboard: what each key does with the motors."""

from collections.abc import Mapping

# Of bodies with these motors. Arrow keys are "left", "right", "up" and "down"; see `play`.
_LEGS = {
    "left": {"left hip": 1.0, "right hip": -1.0},
    "right": {"left hip": -1.0, "right hip": 1.0},
    "up": {"left knee": 1.0, "right knee": 1.0},
    "down": {"left knee": -1.0, "right knee": -1.0},
    "noop": {},
    "left thigh forward": {"left hip": 1.0},
    "left thigh back": {"left hip": -1.0},
    "bend left knee": {"left knee": -1.0},
    "stretch left knee": {"left knee": 1.0},
    "right thigh forward": {"right hip": 1.0},
    "right thigh back": {"right hip": -1.0},
    "bend right knee": {"right knee": -1.0},
    "stretch right knee": {"right knee": 1.0},
}
_SIDES = ("lower", "upper", "hind", "front")
_WHEEL = {
    "left": {f"{side} hip": -1.0 for side in _SIDES},
    "right": {f"{side} hip": 1.0 for side in _SIDES},
    "up": {f"{side} knee": 1.0 for side in _SIDES},
    "down": {f"{side} knee": -1.0 for side in _SIDES},
    "noop": {},
    **{f"kick the {side} leg": {f"{side} hip": 1.0, f"{side} knee": 1.0} for side in _SIDES},
    **{f"bend the {side} leg": {f"{side} hip": -1.0, f"{side} knee": -1.0} for side in _SIDES},
}
_FISH = {
    "left": {"tail 1": 1.0, "tail 2": 1.0, "tail 3": 1.0},
    "right": {"tail 1": -1.0, "tail 2": -1.0, "tail 3": -1.0},
    "up": {"fin": 1.0},
    "down": {"fin": -1.0},
    "noop": {},
}


def controls(names: tuple[str, ...]) -> Mapping[str, tuple[float, ...]]:
    """Return the controls of a body with these actions; empty if it has none."""
    for known in (_LEGS, _WHEEL, _FISH):
        if {name for part in known.values() for name in part} == set(names):
            return {
                control: tuple(part.get(name, 0.0) for name in names)
                for control, part in known.items()
            }
    return {}
