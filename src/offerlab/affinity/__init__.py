"""Which products belong together: baskets -> counts -> ranked matches with their evidence, scored offline.

The way through the room: `baskets.collect` -> `counting.count` -> `ranking.rank`, or all of it with tests and floor in
`mining.mine`. `offline` compares strategies before one goes live.
"""
