"""`python -m cli`."""

from cli.app import app

if __name__ == "__main__":  # not in the processes that `worlds` starts
    app(prog_name="doorstep")
