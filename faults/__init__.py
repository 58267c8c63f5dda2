"""What the project survives, tried out: interruptions, full disks, damage, hostile files, two commands at once, thousands of steps.

    python -m faults [KIND …] [seed=0] [share=1] [out=build/faults/faults.json]

Each kind is a file that makes its scenarios from a seed (:mod:`faults.kinds` lists them), and a scenario is what :mod:`faults.frame` says. A campaign
that is interrupted goes on where it was.
"""
