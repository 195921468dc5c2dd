"""One verb per function: opens the transaction, calls pure code, stores the outcome."""
