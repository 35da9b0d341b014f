"""The documentation as a static site: pages of this repository, references, pictures that the build makes."""
