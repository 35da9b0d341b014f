"""The numerics: torch and numpy only, no knowledge of jobs, HTTP or SQL."""
