"""`python -m cli`."""

from cli.app import main

if __name__ == "__main__":  # not in the processes that `worlds` starts
    main()
