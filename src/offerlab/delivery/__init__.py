"""How a message leaves: guarded connections, signed webhooks, e-mail, and when to try again. Knows no offer."""
