"""What learning is worth: the dated rules of `points.yaml`, read by `point_rules.py`, and what they give for a month's
completions (`awards.py`). It keeps nothing, and imports nothing else of incentive."""
