"""The worker: claims jobs, runs the engine, stores the results."""
