"""`python -m shared.cli`."""

from shared.cli.run import main

if __name__ == "__main__":
    main()
