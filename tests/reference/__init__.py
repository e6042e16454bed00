"""The pages that are made from the program itself."""
