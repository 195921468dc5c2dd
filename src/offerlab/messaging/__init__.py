"""What a customer is told: Liquid templates, Korean particles, money formats, the lint of an offer's words. Pure."""
