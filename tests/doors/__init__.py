"""Programs outside that reach the service: scripts, agents, acquisition software, other platforms."""
