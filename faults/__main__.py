"""``python -m faults``."""

import sys

from faults.mounts import enter_namespace

if __name__ == "__main__":
    enter_namespace(sys.argv[1:])
    from faults.campaign import main

    sys.exit(main(sys.argv[1:]))
