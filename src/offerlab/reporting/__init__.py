"""From moments to a judgement: pure, the same cells give the same bytes."""
