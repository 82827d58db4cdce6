"""Random worlds: whole histories of several people, driven through compliance's domain and judged from outside."""
