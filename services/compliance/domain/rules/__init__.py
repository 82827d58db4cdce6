"""The rules: pure, typed functions (rule, question, facts) → ruling. One module per kind of thought."""
