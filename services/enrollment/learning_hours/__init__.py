"""How many learning hours (JP) what was learned is worth, and how many a year asks for."""
