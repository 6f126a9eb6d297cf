"""What the commands do, end to end: the only modules that open the doors and hand them to the layers below. One per command or group."""
