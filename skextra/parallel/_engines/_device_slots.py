"""Slots on devices: how many tasks may use each device at once."""

import collections


class DeviceSlots:
    """How many tasks run on each device; all sessions of an engine share the count."""

    def __init__(self):
        self._taken = collections.Counter()

    def choose(self, devices, tasks_per_device):
        """Return the device with the fewest tasks, or None if every device is full."""
        device = min(devices, key=self._taken.__getitem__)
        return device if self._taken[device] < tasks_per_device else None

    def take(self, device):
        """Take a slot."""
        self._taken[device] += 1

    def free(self, device):
        """Give a slot back."""
        self._taken[device] -= 1
