"""The tamper-evident log: an RFC 9162 Merkle tree under C2SP signed checkpoints."""
