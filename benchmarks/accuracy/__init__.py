"""Do packages agree where they should, and who is right where they do not?"""
