"""The compute face: claims jobs, runs the engine, registers the results."""
