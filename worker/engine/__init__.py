"""The numerical engine: torch and numpy only, independent of jobs, HTTP and SQL."""
