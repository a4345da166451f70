"""A certificate: what it shows, under which number, and as PDF.

face.py           what it shows, and the Indonesian words for it
pdf.py            ... as one page, by templates/
issuing_bodies.py who issues, and how their numbers look, from rules/
numbering.py      its number and revision
restore.py        after a restore: what had been told of certificates since the backup
"""
