"""`python -m classroomd` is the command `classroomd`."""

from classroomd.cli import main

if __name__ == "__main__":
    main()
