"""What is left when something goes wrong at the worst moment: kills, full disks, faults of the system, several at once."""
