@echo hello from Windows
