"""Who somebody is: the files that are one person's, whose person it is, and what is said of it."""
