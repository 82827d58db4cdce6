"""A simulated core of the kind Apache Fineract: its books, its REST API, and its external events as bytes."""
