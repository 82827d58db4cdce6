"""Who may do what (tokens, scopes), and what keeps personal data and signatures safe (party keys, sealing, signing
keys).
"""
