"""Telemetry of every process: logs and traces."""
