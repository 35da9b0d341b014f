"""Server-sent events of jobs: one reader of the database for all who watch in a server process."""
