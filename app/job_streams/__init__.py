"""Server-sent events of jobs, and requests that wait: one reader of the database for all of a process."""
