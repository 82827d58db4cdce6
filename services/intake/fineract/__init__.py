"""The adapter for cores of the kind Apache Fineract: its external events become facts of topic `loan`."""
