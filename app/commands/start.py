"""Console script of `clearscope`.

multiprocessing imports the script again in every job process, so this module imports none of ours.
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
