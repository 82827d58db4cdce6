"""Evidence packs: what a regulator, a court or the person concerned is handed, and can verify without us."""
