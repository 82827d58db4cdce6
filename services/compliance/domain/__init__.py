"""Pure decisions of compliance: may we, did we. No I/O, no clock, no framework."""
