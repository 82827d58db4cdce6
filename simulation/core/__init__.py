"""The simulated bank core: a ledger of its own, what it says on `loan` and `loan-urgent`, and its balance port."""
