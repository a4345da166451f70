"""A realistic day of the city, on real parts (`make demo`, `make up`)."""
