"""What operators see of every process: logs and traces."""
