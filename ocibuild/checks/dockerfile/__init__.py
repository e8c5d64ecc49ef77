"""The labels of a Dockerfile, without building it: text -> instructions -> stages -> one label set. Nothing is run or fetched."""
