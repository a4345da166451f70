"""What reaches back: an agency's word that counts for nothing for some time, counts again, or counts as another's.

Nothing is kept or decided here: the register does (agencies/reaching_back.py), and the sweep has what follows judged
anew. This is how operators order it, `routes.py`, and what they are told before: `previews.py`, in the words of
`views.py`.
"""
