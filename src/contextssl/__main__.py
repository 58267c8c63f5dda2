"""``python -m contextssl``, the same as ``contextssl``; also what torchrun starts."""

import sys

from contextssl.cli import main

sys.exit(main())
