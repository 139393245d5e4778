"""``python -m wxcv`` is the command ``wxcv``."""

from wxcv.cli import main

if __name__ == "__main__":
    main()
