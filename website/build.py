"""``python -m website.build``: builds the site into ``site/``; a warning of any kind is an error."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

from website.pages import ROOT, site_pages, write_pages

# Where mkdocs.yml looks for the pages, and puts the site.
PAGES, SITE = ROOT / "build/website", ROOT / "site"
COLOUR = re.compile(r"\x1b\[[\d;]*m")
WARNING = re.compile(r"warning|error|griffe:", re.IGNORECASE)


def main() -> int:
    write_pages(PAGES, site_pages())
    # What is no page any more is not in the site either.
    shutil.rmtree(SITE, ignore_errors=True)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = COLOUR.sub("", done.stdout + done.stderr)
    print(said, end="")
    warned = [line for line in said.splitlines() if WARNING.search(line)]
    return done.returncode or int(bool(warned))


if __name__ == "__main__":
    sys.exit(main())
