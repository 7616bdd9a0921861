"""python -m bigstack is the bigstack command."""

from bigstack.cli import main

if __name__ == "__main__":
    main()
