"""The bodies of walkers, as data: functions of the position of the head at the start."""
