"""What learning is worth by the rules alone.

`point_rules.py` reads the dated rules of `points.yaml`, `awards.py` is what they give for a month's completions. It keeps
nothing, and imports nothing else of incentive.
"""
