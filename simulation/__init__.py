"""A world to test in: both emulators, the commands' own code, people and faults, under one clock and one seed.

Nothing here waits: an event loop jumps from one moment to the next. Servers are the emulators' applications, reached
over a network that loses, delays and repeats. `python -m simulation --help` runs many histories.
"""
