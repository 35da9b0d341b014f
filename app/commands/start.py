"""Console script of `clearscope`.

Every job process imports this module again, as multiprocessing does with the script; so it imports no other.
"""

import gc


def main() -> None:
    """Run the command."""
    # Imports leave no garbage, and looking for it takes a third of their time.
    gc.disable()
    from app.commands.main import main as run  # noqa: PLC0415  # see above

    gc.freeze()
    gc.enable()
    run()
