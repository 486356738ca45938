"""What the examples start and stop: an emulator of AWS, a Squall in front of it, and the Python that they need."""
