"""Any data frame -> customers -> moments -> effects: the report's tests in an analyst's own hands.

A package rather than the single module of the house plan: what is asked (`metrics`), what a frame holds (`columns`),
which test answers (`comparing`), the whole reading (`analysis`) and how it is shown (`result`) change for different
reasons.
"""
