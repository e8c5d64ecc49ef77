"""Bytes from outside -> whatever reads them: nothing may come of it but what that promises, and an error of ours."""
