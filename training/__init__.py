"""How the score's models are made, tested and described. Never imported by a service."""
