"""What routes share: who may ask, how much at once, and how an answer says what is wrong."""
