"""The score: what a case will probably do next month, from its arrears and payments. Pure: columns in, columns out."""
