"""A quarter of UCI Online Retail 2011, CC BY 4.0: see ATTRIBUTION.txt."""
