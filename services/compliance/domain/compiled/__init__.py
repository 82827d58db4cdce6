"""The rule functions of `domain.rules`, compiled: for each place, time, channel and purpose one list of closures.

A closure answers the usual case from what was worked out when it was built, and hands every other case to the plain
function that it stands for. The plain functions are the reference: a property test holds both against each other.
"""
