"""The pages are true: their commands run, their outputs are as shown, their links lead somewhere, what is generated is up to date."""
