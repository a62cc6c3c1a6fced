"""Teachers that widen a part of the task space, from easy tasks on."""
